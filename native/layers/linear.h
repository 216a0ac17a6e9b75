// A fully connected layer for large matrices, forward and backward by the fastest product that
// the device has.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// The parameters of a fully connected layer.
struct LinearLayer {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

/// x `[n, in]` times the transpose of `weight` `[out, in]` plus `bias` `[out]`. The product runs in `compute`
/// (float, double, or bfloat16 with float weights) and has that type; gradients have the types of what they
/// belong to. Differentiable.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  at::ScalarType compute);

}  // namespace rat
