// A named tensor of a model, and what an optimizer needs to know of it.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace rat {

struct Parameter {
  std::string name;  // PyTorch's, as it stands in model.safetensors
  at::Tensor tensor;
  bool decays = true;  // whether weight decay applies
  /// 0 for the embeddings, 1 for the first layer, and so on up to the head.
  int64_t depth = 0;
  double learning_rate_scale = 1;
  bool is_word_embedding = false;
  bool trainable = true;  // else there is no update, and no gradient
  /// Where several parameters are one matrix for autograd (queries, keys and values): that matrix, and the
  /// first row of this one in it.
  at::Tensor whole = {};
  int64_t first_row = 0;
  at::Tensor low = {};  // a copy in the products' type, where that is another

  /// What autograd knows of: `whole`, or the parameter itself.
  const at::Tensor& leaf() const { return whole.defined() ? whole : tensor; }
  /// Undefined before a backward pass.
  at::Tensor gradient() const;
  void clear_gradient() const;
};

}  // namespace rat
