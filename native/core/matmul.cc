#include "core/matmul.h"

#include "core/panel_product.h"

namespace rat {

at::Tensor matmul_transposed(const at::Tensor& x, const at::Tensor& weight,
                             const std::optional<at::Tensor>& bias, std::optional<at::ScalarType> result) {
  const at::ScalarType type = result.value_or(x.scalar_type());
  if (takes_panels(x)) return panel_product(x, weight, bias, type);
  return (bias ? at::addmm(*bias, x, weight.t()) : at::mm(x, weight.t())).to(type);
}

void add_matmul_transposed(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight) {
  if (takes_panels(x) && sum.is_contiguous())
    add_panel_product(sum, x, weight);
  else
    sum.add_(matmul_transposed(x, weight));
}

}  // namespace rat
