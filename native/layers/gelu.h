// GELU (Hendrycks and Gimpel, 2016), x times the normal distribution's function.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// Differentiable. On the CPU in fp32 by arithmetic of our own, to about three units in the last place; elsewhere LibTorch's.
at::Tensor gelu(const at::Tensor& x);

}  // namespace rat
