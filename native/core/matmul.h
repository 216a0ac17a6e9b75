// Matrix products outside autograd.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace rat {

/// x `[m, k]` times the transpose of weight `[n, k]`, plus bias `[n]` if there is one: `[m, n]`, of the type of `x` unless
/// `result` is another. Either may be a transposed view. For use inside hand-written forwards and backwards: on the CPU it has no gradient.
at::Tensor matmul_transposed(const at::Tensor& x, const at::Tensor& weight,
                             const std::optional<at::Tensor>& bias = std::nullopt,
                             std::optional<at::ScalarType> result = std::nullopt);

/// The same product added to `sum` `[m, n]`, contiguous, without another tensor of that size; of x in bf16 to a sum in float.
void add_matmul_transposed(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight);

}  // namespace rat
