#include "models/model.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

namespace rat {
namespace {

/// Biases are not decayed, as usual in fine-tuning; nor are LayerNorms, whose models say so.
bool is_bias(const std::string& name) {
  return name.substr(name.rfind('.') + 1).find("bias") != std::string::npos;
}

}  // namespace

Forward Model::forward(const at::Tensor& x, const ForwardRows& rows, const Dropout& dropout) const {
  return taken(x, [&](const at::Tensor& leaf) { return logits(leaf, rows, dropout); });
}

Forward Model::taken(const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& function) {
  const at::Tensor leaf = x.detach().requires_grad_();
  const at::Tensor out = function(leaf);
  return {out.detach(), [leaf, out](const at::Tensor& dlogits, bool keeps_parameters) {
            if (!keeps_parameters) return torch::autograd::grad({out}, {leaf}, {dlogits})[0];
            out.backward(dlogits);
            return leaf.grad();
          }};
}

void Model::set_learning(double decay, int64_t frozen) {
  int64_t deepest = 0;
  for (const Parameter& parameter : parameters_) deepest = std::max(deepest, parameter.depth);
  for (Parameter& parameter : parameters_) {
    parameter.learning_rate_scale = std::pow(decay, static_cast<double>(deepest - parameter.depth));
    parameter.trainable = parameter.depth >= frozen;
    // The word embeddings' gradient is the step's own affair.
    if (&parameter == &parameters_.front()) continue;
    parameter.leaf().requires_grad_(parameter.trainable);
  }
}

void Model::cast_weights() const {
  const at::NoGradGuard no_grad;
  if (!cast_to_.empty()) at::_foreach_copy_(cast_to_, cast_from_);
}

int64_t Model::cast_bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& tensor : cast_to_) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

void Model::add_cast(const at::Tensor& weights, const at::Tensor& copy) {
  cast_from_.push_back(weights.detach());
  cast_to_.push_back(copy);
  for (Parameter& parameter : parameters_)
    if (parameter.leaf().is_same(weights))
      parameter.low = copy.narrow(0, parameter.first_row, parameter.tensor.size(0));
}

void Model::add_word_embedding(const std::string& name, at::Tensor matrix) {
  if (options_.padding_id >= 0 && options_.padding_id < options_.vocabulary_size)
    matrix.select(0, options_.padding_id).zero_();
  // The step handles this gradient itself, on the batch's rows; autograd never sees the matrix.
  parameters_.insert(parameters_.begin(),
                     {.name = name, .tensor = std::move(matrix), .depth = depth_, .is_word_embedding = true});
}

at::Tensor Model::add(const std::string& name, at::Tensor tensor, bool decays) {
  tensor.requires_grad_();
  parameters_.push_back(
      {.name = name, .tensor = tensor, .decays = decays && !is_bias(name), .depth = depth_});
  return tensor;
}

void Model::add_parts(const at::Tensor& whole, const std::vector<std::string>& names) {
  whole.requires_grad_();
  const int64_t rows = whole.size(0) / static_cast<int64_t>(names.size());
  int64_t first = 0;
  for (const std::string& name : names) {
    parameters_.push_back({.name = name,
                           .tensor = whole.detach().narrow(0, first, rows),
                           .decays = !is_bias(name),
                           .depth = depth_,
                           .whole = whole,
                           .first_row = first});
    first += rows;
  }
}

}  // namespace rat
