// GELU (Hendrycks and Gimpel, 2016), x times the normal distribution's function.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// Not differentiable: `linear_gelu` of layers/linear.h is, by the kernel `gelu_backward`. On the CPU in fp32 by arithmetic of
/// our own, as exact as LibTorch's, which it has elsewhere.
at::Tensor gelu(const at::Tensor& x);

}  // namespace rat
