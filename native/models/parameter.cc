#include "models/parameter.h"

namespace rat {

at::Tensor Parameter::gradient() const {
  if (!whole.defined()) return tensor.grad();
  const at::Tensor& gradient = whole.grad();
  return gradient.defined() ? gradient.narrow(0, first_row, tensor.size(0)) : at::Tensor();
}

void Parameter::clear_gradient() const { leaf().mutable_grad().reset(); }

}  // namespace rat
