#include "core/lanes.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <system_error>

#include "core/check.h"

namespace rat {
namespace {

void set_threads(int threads) {
  // The first loop of a thread would set what some other thread has set last.
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

}  // namespace

Lanes::Lanes(int threads, int64_t most) : threads_(threads) {
  set_threads(threads);
  try {
    for (int64_t lane = 1; lane < std::min<int64_t>(threads, most); ++lane)
      workers_.emplace_back([this, lane] { serve(lane); });
  } catch (const std::system_error& error) {
    stop();
    fail("ERR_RAT_HOST_OOM", "The trainer's threads cannot be started (", error.what(),
         "); the process has too many threads or too little memory");
  }
}

Lanes::~Lanes() { stop(); }

void Lanes::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  begun_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Lanes::run(int64_t count, const std::function<void(int64_t lane)>& work) {
  if (count <= 1) {
    if (count == 1) work(0);
    return;
  }
  RAT_CHECK(count <= most(), "ERR_RAT_INTERNAL", "more lanes than there are");
  const at::ThreadLocalState caller;
  {
    const std::lock_guard lock(mutex_);
    count_ = count;
    work_ = &work;
    caller_ = &caller;
    failures_.assign(static_cast<size_t>(count), nullptr);
    running_ = static_cast<int64_t>(workers_.size());
    ++runs_;
  }
  begun_.notify_all();
  attempt(0);
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
  }
  set_threads(threads_);
  for (const std::exception_ptr& failure : failures_)
    if (failure) std::rethrow_exception(failure);
}

void Lanes::attempt(int64_t lane) {
  try {
    set_threads(std::max(1, threads_ / static_cast<int>(count_)));
    (*work_)(lane);
  } catch (...) {
    failures_[static_cast<size_t>(lane)] = std::current_exception();
  }
}

// [worker's thread]
void Lanes::serve(int64_t lane) {
  for (uint64_t seen = 0;;) {
    {
      std::unique_lock lock(mutex_);
      begun_.wait(lock, [&] { return is_stopping_ || runs_ > seen; });
      if (is_stopping_) return;
      seen = runs_;
    }
    if (lane < count_) {
      const at::ThreadLocalStateGuard guard(*caller_);
      attempt(lane);
    }
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) ended_.notify_one();
  }
}

}  // namespace rat
