#include "addon/trainer_thread.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <optional>
#include <system_error>

#include "core/check.h"
#include "core/host_memory.h"

namespace rat {
namespace {

/// A model's memory goes back to the system with it. Left alone, glibc keeps much of what threads that have
/// ended used, and a process that trains in one worker after the other grows.
void return_free_memory() {
  release_host_memory();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

TrainerThread::TrainerThread(Napi::Env env, TrainerOptions options, TrainerEvents events)
    : env_(env), events_(std::move(events)) {
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "r-at trainer"), /*max_queue_size=*/0,
      /*initial_thread_count=*/1, nullptr, nullptr, this, on_completion, &results_);
  if (status != napi_ok) throw Napi::Error::New(env, "napi_create_threadsafe_function failed");
  napi_unref_threadsafe_function(env, results_);
  napi_add_env_cleanup_hook(env, on_environment_cleanup, this);
  try {
    thread_ = std::thread([this, options = std::move(options)]() mutable { run(std::move(options)); });
  } catch (const std::system_error& error) {
    release();  // there will be no destructor to do it
    fail("ERR_RAT_HOST_OOM", "The trainer's thread cannot be started (", error.what(),
         "); the process has too many threads or too little memory");
  }
}

TrainerThread::~TrainerThread() {
  stop(std::chrono::hours(24));
  release();
}

Napi::Promise TrainerThread::submit(Napi::Env env, Work work) {
  return submit(env, std::move(work), Kind::kPlain);
}

Napi::Promise TrainerThread::submit_step(Napi::Env env, Work work) {
  return submit(env, std::move(work), Kind::kStep);
}

Napi::Promise TrainerThread::submit(Napi::Env env, Work work, Kind kind) {
  if (is_disposing_ || is_released_) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(to_js_error(env, {"ERR_RAT_DISPOSED", "The trainer has been disposed of", ""}).Value());
    return deferred.Promise();
  }
  return enqueue(env, std::move(work), kind);
}

Napi::Promise TrainerThread::dispose(Napi::Env env) {
  if (is_released_) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  is_disposing_ = true;
  cancel();
  return enqueue(env, nullptr, Kind::kDispose);
}

Napi::Promise TrainerThread::enqueue(Napi::Env env, Work work, Kind kind) {
  auto deferred = Napi::Promise::Deferred::New(env);
  if (pending_++ == 0) {
    napi_ref_threadsafe_function(env, results_);
    events_.busy();
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(work), deferred, generation_, kind});
  }
  wake_.notify_one();
  return deferred.Promise();
}

void TrainerThread::cancel() {
  const std::lock_guard lock(mutex_);
  ++generation_;
  cancelled_ = true;
}

bool TrainerThread::stop(std::chrono::milliseconds timeout) {
  {
    std::unique_lock lock(mutex_);
    ++generation_;
    cancelled_ = true;
    is_stopping_ = true;
    wake_.notify_one();
    if (thread_.joinable() && !ended_.wait_for(lock, timeout, [this] { return has_ended_; })) return false;
  }
  join();
  return true;
}

void TrainerThread::join() {
  if (thread_.joinable()) thread_.join();
}

// [trainer's thread]
void TrainerThread::run(TrainerOptions options) {
  std::optional<Trainer> trainer;
  Failure creation;
  try {
    trainer.emplace(options);
  } catch (...) {
    creation = current_failure();
  }
  for (;;) {
    std::optional<Command> command;
    bool is_stale = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
      if (is_stopping_) break;
      command.emplace(std::move(queue_.front()));
      queue_.pop_front();
      // Under the lock: a cancel() that comes later raises the generation and sets the flag again.
      is_stale = command->generation < generation_ || command->generation == failed_generation_;
      cancelled_ = command->generation < generation_;
    }
    auto completion = std::make_unique<Completion>(Completion{command->deferred, nullptr, {}, 0, 0});
    if (command->kind == Kind::kDispose) {
      trainer.reset();
      return_free_memory();
      completion->resolve = [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
      deliver(std::move(completion));
      // Nothing can be queued behind a dispose but further ones.
      creation = {"ERR_RAT_DISPOSED", "The trainer has been disposed of", ""};
      continue;
    }
    try {
      if (is_stale)
        completion->failure = {"ERR_RAT_ABORTED", "The operation was aborted", ""};
      else if (!trainer)
        completion->failure = creation;
      else
        completion->resolve = command->work(*trainer, cancelled_);
    } catch (...) {
      completion->failure = current_failure();
      const std::lock_guard lock(mutex_);
      if (command->kind == Kind::kStep)
        completion->failed_generation = failed_generation_ = command->generation;
    }
    if (trainer) completion->bytes = trainer->bytes();
    deliver(std::move(completion));
  }
  trainer.reset();
  return_free_memory();
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  ended_.notify_all();
}

// [trainer's thread]
void TrainerThread::deliver(std::unique_ptr<Completion> completion) {
  // napi_closing means that the environment is going away: nobody is left to hear it.
  if (napi_call_threadsafe_function(results_, completion.get(), napi_tsfn_nonblocking) == napi_ok)
    completion.release();  // lint: on_completion takes it
}

void TrainerThread::on_completion(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<Completion> completion(static_cast<Completion*>(data));
  if (env == nullptr) return;
  static_cast<TrainerThread*>(context)->settle(env, *completion);
}

void TrainerThread::settle(Napi::Env env, Completion& completion) {
  const Napi::HandleScope scope(env);
  {
    // Whoever submits from here on knows of the failed step. After a cancel() they knew before.
    const std::lock_guard lock(mutex_);
    if (completion.failed_generation == generation_) ++generation_;
  }
  events_.memory(completion.bytes);
  // A pending exception or a terminating worker must not escape into Node's C++.
  try {
    if (completion.resolve)
      completion.deferred.Resolve(completion.resolve(env));
    else
      completion.deferred.Reject(to_js_error(env, completion.failure).Value());
  } catch (const Napi::Error&) {
  }
  if (--pending_ > 0) return;
  napi_unref_threadsafe_function(env, results_);
  const auto on_idle = events_.idle;
  if (is_disposing_) {
    stop(std::chrono::hours(24));
    release();
  }
  on_idle();  // may destroy this
}

void TrainerThread::release() {
  if (is_released_) return;
  is_released_ = true;
  napi_remove_env_cleanup_hook(env_, on_environment_cleanup, this);
  napi_release_threadsafe_function(results_, napi_tsfn_release);
}

void TrainerThread::on_environment_cleanup(void* data) {
  auto* self = static_cast<TrainerThread*>(data);
  self->stop(std::chrono::hours(24));
  self->is_released_ = true;
  napi_release_threadsafe_function(self->results_, napi_tsfn_release);
}

}  // namespace rat
