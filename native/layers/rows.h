// Gathers of rows whose gradients are sums in a fixed order. ATen's own add with atomics on a GPU, so that
// two runs would differ.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/device_batch.h"

namespace rat {

/// Rows `index` `[M]` of x `[N, D]`, no row more than once. Differentiable.
at::Tensor take_rows(const at::Tensor& x, const at::Tensor& index);

/// All rows of x in another order; `inverse` leads back. Differentiable.
at::Tensor permute_rows(const at::Tensor& x, const at::Tensor& order, const at::Tensor& inverse);

}  // namespace rat
