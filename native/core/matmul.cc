#include "core/matmul.h"

namespace rat {

at::Tensor matmul_transposed(const at::Tensor& x, const at::Tensor& weight) { return at::mm(x, weight.t()); }

}  // namespace rat
