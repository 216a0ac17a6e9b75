// Where the time of one step goes. Costs a step its time: on a GPU the host waits at the end of every phase.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rat {

struct StepTimes {
  std::vector<std::pair<std::string, double>> phases;  // milliseconds
  int64_t operators = 0;                               // of LibTorch, that were called
  int64_t allocations = 0, allocated_bytes = 0;        // memory that was asked for
};

/// Counts from its making to its end, on the calling thread, which must be one. Autograd's threads count too, those of
/// parallel loops do not.
class StepProfile {
 public:
  explicit StepProfile(at::Device device);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// Ends a phase that began at the end of the last one.
  void mark(const char* phase);

  StepTimes times() const;

  struct Counts;

 private:
  at::Device device_;
  std::chrono::steady_clock::time_point last_;
  std::vector<std::pair<std::string, double>> phases_;
  std::shared_ptr<Counts> counts_;
  at::CallbackHandle callback_;
  std::unique_ptr<c10::DebugInfoGuard> memory_;
};

/// Does nothing where nothing is profiled.
inline void mark(StepProfile* profile, const char* phase) {
  if (profile) profile->mark(phase);
}

}  // namespace rat
