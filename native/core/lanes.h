// Threads that each take a part of a batch through the whole model.
//
// A team of OpenMP meets at the end of every loop of every operator, thousands of times a step, and waits each time for
// its slowest thread: on a machine that has other work to do, for one that is not running. Examples are independent until
// their losses and gradients are added up, so lanes meet once a pass, and the system has time to move a thread that
// waits for a core to one that is free. Threads that have no lane, or are done with theirs, take parts of the others' large
// products.
#pragma once

#include <ATen/ThreadLocalState.h>

#include <algorithm>
#include <atomic>
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

  int64_t most() const { return most_; }

  /// Calls `work(lane)` for each lane below `count`, side by side, and returns when all have ended; throws what the first
  /// lane that failed has thrown. Each lane has an equal share of the threads for the loops of LibTorch's operators.
  void run(int64_t count, const std::function<void(int64_t lane)>& work);

 private:
  friend void in_parallel(int64_t, int64_t, const std::function<void(int64_t, int64_t)>&);
  struct Job;

  void take(int64_t parts, int operator_threads, const std::function<void(int64_t part)>& work);
  void take_parts(Job& job, std::unique_lock<std::mutex>& lock, bool is_callers);
  void serve();
  void stop();

  const int threads_;
  const int64_t most_;
  std::vector<std::thread> workers_;
  std::atomic<int64_t> idle_{0};  // workers that wait

  std::mutex mutex_;
  std::condition_variable begun_, ended_;
  bool is_stopping_ = false;
  std::vector<Job*> open_;  // that have parts which nobody has begun, the newest last
};

/// Numbers that a thread goes through at least, which takes longer than to wake it; and rows that have so many.
constexpr int64_t kNumbersOfPart = 1 << 16;
inline int64_t least_rows(int64_t width) {
  return std::max<int64_t>(kNumbersOfPart / std::max<int64_t>(width, 1), 1);
}

/// Calls `work(begin, end)` for parts of [0, count), side by side on threads of the same Lanes that have nothing else to do; none
/// has fewer than `least`, but where all have. Outside of Lanes::run all is one part.
void in_parallel(int64_t count, int64_t least, const std::function<void(int64_t begin, int64_t end)>& work);

}  // namespace rat
