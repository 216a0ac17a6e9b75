// AdamW's arithmetic on the CPU: one pass over a parameter's numbers, compiled for several kinds of processors.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace rat {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kAdamEps = 1e-8;

/// What a step's update goes by.
struct AdamWNumbers {
  double kept;  // of a weight: 1 - learning rate * weight decay
  double step;  // learning rate over the first moment's bias correction
  double root;  // 1 over the root of the second one's

  /// `count`: of the step that is being made, from 1.
  AdamWNumbers(double learning_rate, double weight_decay, double count);
};

/// A parameter with its moments, all contiguous and of one type, float or double.
struct AdamWTensors {
  at::Tensor values, first_moment, second_moment;

  /// Elements from `begin` on, of which `gradient` is the first one's.
  void update(int64_t begin, int64_t count, const void* gradient, const AdamWNumbers& numbers) const;

  /// `steps` updates whose gradient was zero, to the bit what `update` makes of each.
  void replay(int64_t begin, int64_t count, const AdamWNumbers* numbers, int64_t steps) const;
};

}  // namespace rat
