// A fully connected layer for large matrices, forward and backward by the fastest product that
// the device has.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// The parameters of a fully connected layer.
struct LinearLayer {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
  /// The same in the type of the products, where it is another: made once for all forwards of a step.
  at::Tensor low_weight = {}, low_bias = {};

  /// `count` outputs from `first` on.
  LinearLayer narrow(int64_t first, int64_t count) const;
};

/// x `[n, in]` times the transpose of the layer's weight plus its bias. The product runs in `compute`
/// (float, double, or bfloat16 with float weights) and has that type; gradients have the types of what they
/// belong to. Differentiable.
at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute);

/// GELU of it. Differentiable.
at::Tensor linear_gelu(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute);

}  // namespace rat
