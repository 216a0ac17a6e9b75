// Matrix products outside autograd.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// x `[m, k]` times the transpose of weight `[n, k]`: `[m, n]`. For use inside hand-written forwards and
/// backwards: the fast CPU operator behind it has no gradient.
at::Tensor matmul_transposed(const at::Tensor& x, const at::Tensor& weight);

}  // namespace rat
