#include "core/lanes.h"

#include <ATen/Parallel.h>
#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "core/check.h"

namespace rat {
namespace {

void set_threads(int threads) {
  // The first loop of a thread would set what some other thread has set last.
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
}

/// Whose run this thread has a part in.
thread_local Lanes* current = nullptr;

}  // namespace

/// Parts of one piece of work; guarded by the mutex but for what never changes.
struct Lanes::Job {
  const std::function<void(int64_t)>& work;
  const int64_t parts;
  const int operator_threads;
  const at::ThreadLocalState caller = {};  // gradient mode, profile
  int64_t next = 0;
  int64_t running = 0;
  std::vector<std::exception_ptr> failures = std::vector<std::exception_ptr>(static_cast<size_t>(parts));
};

Lanes::Lanes(int threads, int64_t most)
    : threads_(threads), most_(std::clamp<int64_t>(most, 1, std::max(threads, 1))) {
  set_threads(threads);
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
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
  RAT_CHECK(count <= most(), "ERR_RAT_INTERNAL", "more lanes than there are");
  if (count == 0) return;
  const auto restored = c10::make_scope_exit([this, before = std::exchange(current, this)] {
    current = before;
    set_threads(threads_);
  });
  take(count, std::max(1, threads_ / static_cast<int>(count)), work);
}

void Lanes::take(int64_t parts, int operator_threads, const std::function<void(int64_t part)>& work) {
  Job job{.work = work, .parts = parts, .operator_threads = operator_threads};
  {
    std::unique_lock lock(mutex_);
    if (parts > 1) {
      open_.push_back(&job);
      begun_.notify_all();
    }
    take_parts(job, lock, /*is_callers=*/true);
    ended_.wait(lock, [&] { return job.running == 0; });
  }
  for (const std::exception_ptr& failure : job.failures)
    if (failure) std::rethrow_exception(failure);
}

/// Until nobody has to begin any; the lock is held but for the work itself.
void Lanes::take_parts(Job& job, std::unique_lock<std::mutex>& lock, bool is_callers) {
  while (job.next < job.parts) {
    const int64_t part = job.next++;
    if (job.next == job.parts) std::erase(open_, &job);
    ++job.running;
    lock.unlock();
    std::exception_ptr failure;
    try {
      std::optional<at::ThreadLocalStateGuard> guard;
      if (!is_callers) guard.emplace(job.caller);
      set_threads(job.operator_threads);
      job.work(part);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    job.failures[static_cast<size_t>(part)] = failure;
    --job.running;
  }
}

// [worker's thread]
void Lanes::serve() {
  current = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    begun_.wait(lock, [&] { return is_stopping_ || !open_.empty(); });
    --idle_;
    if (is_stopping_) return;
    Job& job = *open_.back();
    take_parts(job, lock, /*is_callers=*/false);
    // Whoever waits for it needs the lock to find that out, so it is still there.
    if (job.running == 0) ended_.notify_all();
  }
}

void in_parallel(int64_t count, int64_t least, const std::function<void(int64_t begin, int64_t end)>& work) {
  if (count <= 0) return;
  Lanes* const lanes = current;
  const int64_t parts = lanes ? std::min(lanes->idle_ + 1, std::max<int64_t>(count / least, 1)) : 1;
  if (parts == 1) return work(0, count);
  lanes->take(parts, at::get_num_threads(),
              [&](int64_t part) { work(count * part / parts, count * (part + 1) / parts); });
}

}  // namespace rat
