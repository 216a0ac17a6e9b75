// One dedicated native thread a trainer: a queue of commands in, promises out. Rules, each learned from a
// crash or a hang:
// - libuv's pool is never used: training there starves `fs`, and `process.exit()` waits for the whole job.
// - JavaScript values and handles are touched on the JavaScript thread only; results travel by
//   a thread-safe function.
// - That function is referenced exactly while promises are pending: it neither keeps an idle process alive nor
//   lets a process end that awaits a step.
// - The environment's clean-up hook joins the thread. It is registered after the thread-safe function is made,
//   so it runs before that is torn down (hooks run last in, first out).
// - What was queued behind a failed step, by someone who did not know of the failure yet, does not run.
#pragma once

#include <napi.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "addon/errors.h"
#include "trainer/trainer.h"

namespace rat {

/// What a thread tells its owner, on the JavaScript thread.
struct TrainerEvents {
  std::function<void()> busy;                 // the first pending promise was made
  std::function<void()> idle;                 // the last one was settled
  std::function<void(int64_t bytes)> memory;  // before a promise is settled: what the trainer holds now
};

class TrainerThread {
 public:
  /// Makes the promise's value, on the JavaScript thread.
  using Resolve = std::function<Napi::Value(Napi::Env)>;
  /// The work, on the trainer's thread.
  using Work = std::function<Resolve(Trainer&, const std::atomic<bool>& cancelled)>;

  /// Starts the thread, whose first act is to make the trainer; if that fails, every command rejects
  /// with the reason.
  TrainerThread(Napi::Env env, TrainerOptions options, TrainerEvents events);
  /// Waits for the thread.
  ~TrainerThread();
  TrainerThread(const TrainerThread&) = delete;
  TrainerThread& operator=(const TrainerThread&) = delete;

  /// [JavaScript thread] Queues work; rejects with ERR_RAT_DISPOSED after dispose(), and with ERR_RAT_ABORTED
  /// if a step before it fails.
  Napi::Promise submit(Napi::Env env, Work work);

  /// [JavaScript thread] Queues a step: if it fails, what is queued behind it until the failure is
  /// told is rejected.
  Napi::Promise submit_step(Napi::Env env, Work work);

  /// [JavaScript thread] Rejects what is queued with ERR_RAT_ABORTED and stops the running command at its
  /// next poll. Commands submitted afterwards run.
  void cancel();

  /// [JavaScript thread] Does what cancel() does; resolves when the running command has ended and the trainer has
  /// been freed.
  Napi::Promise dispose(Napi::Env env);

  /// [JavaScript thread] Whether dispose() was called, and whether its promise has been settled.
  bool is_disposing() const { return is_disposing_; }
  bool has_ended() const { return is_released_; }

  /// [JavaScript thread] Cancels everything and joins. False if the thread did not end in time. Nothing is
  /// settled after this: it is for exit and clean-up.
  bool stop(std::chrono::milliseconds timeout);

 private:
  enum class Kind {
    kPlain,
    kStep,     // its failure rejects what is queued behind it
    kDispose,  // the trainer is freed before the promise resolves
  };
  struct Command {
    Work work;
    Napi::Promise::Deferred deferred;
    uint64_t generation;
    Kind kind;
  };
  struct Completion {
    Napi::Promise::Deferred deferred;
    Resolve resolve;  // empty: it failed
    Failure failure;
    int64_t bytes;               // that the trainer holds afterwards
    uint64_t failed_generation;  // of a step that failed; else 0
  };

  Napi::Promise submit(Napi::Env env, Work work, Kind kind);
  Napi::Promise enqueue(Napi::Env env, Work work, Kind kind);
  void run(TrainerOptions options);
  void deliver(std::unique_ptr<Completion> completion);
  void settle(Napi::Env env, Completion& completion);
  void join();
  void release();
  static void on_completion(napi_env env, napi_value, void* context, void* data);
  static void on_environment_cleanup(void* self);

  Napi::Env env_;
  TrainerEvents events_;
  napi_threadsafe_function results_ = nullptr;
  bool is_released_ = false;   // results_ and the clean-up hook are gone
  bool is_disposing_ = false;  // dispose() was called
  size_t pending_ = 0;         // promises not yet settled; JavaScript thread only

  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<Command> queue_;
  // cancel() raises it, as does the news of a failed step; commands of an older one are rejected, and those of the
  // one in which a step failed.
  uint64_t generation_ = 1, failed_generation_ = 0;
  bool is_stopping_ = false, has_ended_ = false;
  std::atomic<bool> cancelled_{false};
  std::thread thread_;
};

}  // namespace rat
