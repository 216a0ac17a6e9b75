#include "layers/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "core/matmul.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  /// `low_weight` and `low_bias` may be none: then they are made.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& low_weight,
                            const std::optional<at::Tensor>& low_bias, int64_t compute) {
    const auto type = static_cast<at::ScalarType>(compute);
    const at::Tensor input = x.to(type), matrix = low_weight ? *low_weight : weight.to(type);
    context->save_for_backward({input, matrix});
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
    context->saved_data["weight_type"] = static_cast<int64_t>(weight.scalar_type());
    return matmul_transposed(input, matrix, low_bias ? *low_bias : bias.to(type));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &matrix = saved[1];
    const auto input_type = static_cast<at::ScalarType>(context->saved_data["input_type"].toInt());
    const auto weight_type = static_cast<at::ScalarType>(context->saved_data["weight_type"].toInt());
    const at::Tensor dy = gradients[0].contiguous();
    variable_list result(6);
    if (context->needs_input_grad(0)) result[0] = matmul_transposed(dy, matrix.t()).to(input_type);
    if (context->needs_input_grad(1)) result[1] = matmul_transposed(dy.t(), input.t()).to(weight_type);
    if (context->needs_input_grad(2)) result[2] = dy.sum({0}, false, weight_type);
    return result;
  }
};

}  // namespace

LinearLayer LinearLayer::narrow(int64_t first, int64_t count) const {
  const auto part = [&](const at::Tensor& whole) {
    return whole.defined() ? whole.narrow(0, first, count) : whole;
  };
  return {part(weight), part(bias), part(low_weight), part(low_bias)};
}

at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute) {
  const auto if_any = [](const at::Tensor& low) { return low.defined() ? std::optional(low) : std::nullopt; };
  return LinearFunction::apply(x, layer.weight, layer.bias, if_any(layer.low_weight), if_any(layer.low_bias),
                               static_cast<int64_t>(compute));
}

}  // namespace rat
