// Threads that each take a part of a batch through the whole model.
//
// A team of OpenMP meets at the end of every loop of every operator, thousands of times a step, and waits each time for
// its slowest thread: on a machine that has other work to do, for one that is not running. Examples are independent until
// their losses and gradients are added up, so lanes meet once a pass, and the system has time to move a thread that
// waits for a core to one that is free.
#pragma once

#include <ATen/ThreadLocalState.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rat {

class Lanes {
 public:
  /// At most `most` lanes that have `threads` in all, of which the calling thread is one; it must make all calls.
  Lanes(int threads, int64_t most);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  int64_t most() const { return static_cast<int64_t>(workers_.size()) + 1; }

  /// Calls `work(lane)` for each lane below `count`, side by side, and returns when all have ended; throws what the first
  /// lane that failed has thrown. Each lane has an equal share of the threads for the loops of its operators.
  void run(int64_t count, const std::function<void(int64_t lane)>& work);

 private:
  void serve(int64_t lane);
  void attempt(int64_t lane);
  void stop();

  const int threads_;
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable begun_, ended_;
  uint64_t runs_ = 0;  // how many have begun; 0: none yet
  bool is_stopping_ = false;
  int64_t running_ = 0;  // workers that have not ended yet
  // Of the run in progress:
  int64_t count_ = 0;
  const std::function<void(int64_t)>* work_ = nullptr;
  const at::ThreadLocalState* caller_ = nullptr;  // gradient mode, profile
  std::vector<std::exception_ptr> failures_;
};

}  // namespace rat
