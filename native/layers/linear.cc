#include "layers/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "core/kernels.h"
#include "core/matmul.h"
#include "layers/gelu.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The layer's result, and what its backward pass needs: its input and its weights in the type of the product. `low_weight` and
/// `low_bias` may be none: then they are made.
struct Product {
  at::Tensor input, matrix, result;

  Product(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
          const std::optional<at::Tensor>& low_weight, const std::optional<at::Tensor>& low_bias,
          int64_t compute) {
    const auto type = static_cast<at::ScalarType>(compute);
    input = x.to(type);
    matrix = low_weight ? *low_weight : weight.to(type);
    result = matmul_transposed(input, matrix, low_bias ? *low_bias : bias.to(type));
    context->saved_data["input_type"] = static_cast<int64_t>(x.scalar_type());
  }
};

/// Undefined where it is added to the weight's already: a sum of passes as large as the weights is made in place.
at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& input, const at::Tensor& weight) {
  const at::Tensor sum = weight.is_leaf() ? weight.grad() : at::Tensor();
  if (!sum.defined() || at::GradMode::is_enabled())
    return matmul_transposed(dy.t(), input.t(), {}, weight.scalar_type());
  add_matmul_transposed(sum, dy.t(), input.t());
  return {};
}

/// From the gradient of the result; `dbias` may be undefined: then it is made.
variable_list gradients_of(AutogradContext* context, const variable_list& saved, const at::Tensor& dy,
                           const at::Tensor& dbias = {}) {
  const at::Tensor &input = saved[0], &matrix = saved[1];
  const auto input_type = static_cast<at::ScalarType>(context->saved_data["input_type"].toInt());
  variable_list result(6);
  if (context->needs_input_grad(0)) result[0] = matmul_transposed(dy, matrix.t(), {}, input_type);
  if (context->needs_input_grad(1)) result[1] = weight_gradient(dy, input, saved[2]);
  if (context->needs_input_grad(2))
    result[2] = dbias.defined() ? dbias : dy.sum({0}, false, saved[2].scalar_type());
  return result;
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& low_weight,
                            const std::optional<at::Tensor>& low_bias, int64_t compute) {
    const Product product(context, x, weight, bias, low_weight, low_bias, compute);
    context->save_for_backward({product.input, product.matrix, weight});
    return product.result;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return gradients_of(context, context->get_saved_variables(), gradients[0].contiguous());
  }
};

/// The bias's gradient comes along with GELU's.
class LinearGelu : public torch::autograd::Function<LinearGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& low_weight,
                            const std::optional<at::Tensor>& low_bias, int64_t compute) {
    const Product product(context, x, weight, bias, low_weight, low_bias, compute);
    context->save_for_backward({product.input, product.matrix, weight, product.result});
    return rat::gelu(product.result);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto [dy, dbias] =
        kernels::gelu_backward.on(saved[3].device())(gradients[0].contiguous(), saved[3]);
    return gradients_of(context, saved, dy, dbias);
  }
};

template <typename Function>
at::Tensor apply(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute) {
  const auto if_any = [](const at::Tensor& low) { return low.defined() ? std::optional(low) : std::nullopt; };
  return Function::apply(x, layer.weight, layer.bias, if_any(layer.low_weight), if_any(layer.low_bias),
                         static_cast<int64_t>(compute));
}

}  // namespace

LinearLayer LinearLayer::narrow(int64_t first, int64_t count) const {
  const auto part = [&](const at::Tensor& whole) {
    return whole.defined() ? whole.narrow(0, first, count) : whole;
  };
  return {part(weight), part(bias), part(low_weight), part(low_bias)};
}

at::Tensor linear(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute) {
  return apply<LinearFunction>(x, layer, compute);
}

at::Tensor linear_gelu(const at::Tensor& x, const LinearLayer& layer, at::ScalarType compute) {
  return apply<LinearGelu>(x, layer, compute);
}

}  // namespace rat
