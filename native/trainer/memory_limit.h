// What is said when a GPU's memory is not enough: of which batch, and what would fit.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <span>

#include "core/batch.h"

namespace rat {

class MemoryLimit {
 public:
  /// `what`: is computed, as "a step".
  MemoryLimit(at::Device device, const char* what) : device_(device), what_(what) {}

  /// Calls `work`, which computes from `batches`, one after the other; `resting`: the bytes that stay in between. Throws
  /// ERR_RAT_DEVICE_OOM where it runs out of the device's memory.
  template <typename Work>
  auto watch(std::span<const PackedBatch> batches, int64_t resting, const Work& work) {
    try {
      auto result = work();
      if (device_.is_cuda()) learn(batches, resting);
      return result;
    } catch (const c10::OutOfMemoryError&) {
      explain(batches, resting);
    }
  }

 private:
  void learn(std::span<const PackedBatch> batches, int64_t resting);
  [[noreturn]] void explain(std::span<const PackedBatch> batches, int64_t resting) const;

  at::Device device_;
  const char* what_;
  int64_t most_tokens_ = 0;    // of a batch that fitted
  double bytes_of_token_ = 0;  // what it took beside what stays
};

}  // namespace rat
