// Hand-written CPU side of layers/recurrent.h: one operator a layer instead of an autograd graph of a dozen
// nodes a time step.
#pragma once

#include <ATen/ATen.h>

#include "layers/recurrent.h"

namespace rat {

/// x `[tokens, in]` in time-major order to `[tokens, 2 H]` in the same order. Differentiable.
at::Tensor bidirectional_cpu(const at::Tensor& x, const at::Tensor& batch_sizes, const RecurrentLayer& layer);

}  // namespace rat
