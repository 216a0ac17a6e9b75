// How long our operators take alone, forward and backward, on made-up packed sequences: for benchmarks/kernels/.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <string>
#include <vector>

namespace rat {

struct OperatorShape {
  int64_t sequences = 32;
  int64_t length = 32;  // tokens of each sequence
  int64_t width = 384;
  int64_t outputs = 384;  // of a product; filters a width, hidden states a direction, classes
  int64_t heads = 12;
};

struct OperatorTimes {
  std::vector<double> forward_ms, backward_ms;  // one entry a repetition; no backward: empty
  double flop = 0;                              // of forward and backward together
  double bytes = 0;                             // that must be read or written, at least
};

/// Runs the operator `repetitions` times after one to warm up. ERR_RAT_INVALID_ARG for an unknown name,
/// ERR_RAT_ABORTED once `cancelled` is set.
OperatorTimes time_operator(const std::string& name, const OperatorShape& shape, at::Device device,
                            at::ScalarType type, int64_t repetitions, const std::atomic<bool>& cancelled);

}  // namespace rat
