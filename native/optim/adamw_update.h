// AdamW's arithmetic: one pass over a parameter's numbers, on the CPU compiled for several kinds of processors.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "optim/optimizer.h"

namespace rat {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kAdamEps = 1e-8;

/// What a step's update goes by.
struct AdamWNumbers {
  double kept;   // of a weight: 1 - learning rate * weight decay
  double step;   // learning rate over the first moment's bias correction
  double root;   // 1 over the root of the second one's
  double scale;  // of the gradient

  /// `count`: of the step that is being made, from 1.
  RAT_HOST_DEVICE AdamWNumbers(double learning_rate, double weight_decay, double count, double scale)
      : kept(1 - learning_rate * weight_decay),
        step(learning_rate / (1 - std::pow(kBeta1, count))),
        root(1 / std::sqrt(1 - std::pow(kBeta2, count))),
        scale(scale) {}
};

/// A parameter with its moments, all contiguous and of one type, float or double.
struct AdamWTensors {
  at::Tensor values, first_moment, second_moment;
  at::Tensor low = {};  // the values in bf16, where products read them so

  /// On the CPU: elements from `begin` on, of which `gradient` is the first one's.
  void update(int64_t begin, int64_t count, const void* gradient, const AdamWNumbers& numbers) const;

  /// `steps` updates whose gradient was zero, to the bit what `update` makes of each.
  void replay(int64_t begin, int64_t count, const AdamWNumbers* numbers, int64_t steps) const;
};

/// What one step does to one parameter.
struct AdamWUpdate {
  AdamWTensors tensors;
  at::Tensor gradient;  // contiguous
  at::Tensor count;     // 0-dimensional float, beside the parameter: of the step that is being made
  double weight_decay = 0, learning_rate_scale = 1;

  /// On the CPU.
  AdamWNumbers numbers(const UpdateScalars& scalars) const {
    return {scalars.learning_rate * learning_rate_scale, weight_decay, count.item<double>(),
            scalars.gradient_scale};
  }
};

}  // namespace rat
