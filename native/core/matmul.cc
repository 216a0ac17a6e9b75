#include "core/matmul.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "core/savings.h"

namespace rat {
namespace {

using LinearPointwise = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                   std::string_view, c10::List<std::optional<at::Scalar>>,
                                   std::optional<std::string_view>);

/// oneDNN's product, which at::mm does not use in fp32: it takes MKL, less than half as fast on AMD
/// processors. Empty where this LibTorch lacks the operator.
const std::optional<c10::TypedOperatorHandle<LinearPointwise>>& linear_pointwise() {
  static const auto handle = []() -> std::optional<c10::TypedOperatorHandle<LinearPointwise>> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found || !at::globalContext().userEnabledMkldnn() || !is_on(Saving::kOneDnn)) return std::nullopt;
    return found->typed<LinearPointwise>();
  }();
  return handle;
}

}  // namespace

at::Tensor matmul_transposed(const at::Tensor& x, const at::Tensor& weight,
                             const std::optional<at::Tensor>& bias) {
  if (x.device().is_cpu() && x.scalar_type() == at::kFloat && linear_pointwise())
    return linear_pointwise()->call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(),
                                    std::nullopt);
  return bias ? at::addmm(*bias, x, weight.t()) : at::mm(x, weight.t());
}

}  // namespace rat
