// GELU (Hendrycks and Gimpel, 2016), x times the normal distribution's function.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// Differentiable. On the CPU in fp32 by arithmetic of our own, as exact as LibTorch's, which it has elsewhere.
at::Tensor gelu(const at::Tensor& x);

}  // namespace rat
