// What a model is to the training step: a list of named parameters, and a function from embedded tokens to
// logits that can be taken back. The step gathers and perturbs the word embeddings itself, so a model never
// sees token ids.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

#include "core/device_batch.h"
#include "layers/dropout.h"
#include "models/options.h"
#include "models/parameter.h"

namespace rat {

/// One forward of a model.
struct Forward {
  at::Tensor logits;  // [S, C]
  /// To be called once: the gradient of the embedded rows `[tokens, D]` from that of the logits. Gradients of
  /// the parameters are added to what their `grad()` hold, unless `keeps_parameters` is false.
  std::function<at::Tensor(const at::Tensor& dlogits, bool keeps_parameters)> backward;
};

class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// x: word embeddings of the rows `[tokens, D]`; returns logits `[S, C]`, by differentiable operators.
  virtual at::Tensor logits(const at::Tensor& x, const ForwardRows& rows, const Dropout& dropout) const = 0;

  /// The same to be taken back. This one leaves it to autograd; a model with a backward of its own overrides it.
  virtual Forward forward(const at::Tensor& x, const ForwardRows& rows, const Dropout& dropout) const;

  /// In the order of the model; the word-embedding matrix `[V, D]` comes first.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const at::Tensor& word_embedding() const { return parameters_.front().tensor; }
  const ModelOptions& options() const { return options_; }
  /// Most tokens of an example; 0 = any number.
  virtual int64_t longest() const { return 0; }
  /// What its forward reads of `rows` beyond what all models do.
  virtual RowIndices row_indices() const { return {}; }
  /// The same for a forward without gradients.
  virtual RowIndices prediction_indices() const { return row_indices(); }
  /// Its own dropout rates, where a step leaves them to the model.
  virtual DropoutRates dropout_rates() const { return {}; }

  /// Brings the copies of weights in the products' type up to date; before a forward, when weights have changed.
  void cast_weights() const;
  int64_t cast_bytes() const;

  /// The parameters of depth d learn at `decay` to the power of (deepest - d) times the learning rate; those
  /// of depths below `frozen` not at all.
  void set_learning(double decay, int64_t frozen);

 protected:
  /// `function` of x to be taken back, by autograd.
  static Forward taken(const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& function);

  explicit Model(ModelOptions options) : options_(std::move(options)) {}

  /// Of the parameters that are added from here on.
  void set_depth(int64_t depth) { depth_ = depth; }
  /// Registers the word embeddings as the first parameter; the padding row becomes zero.
  void add_word_embedding(const std::string& name, at::Tensor matrix);
  at::Tensor add(const std::string& name, at::Tensor tensor, bool decays = true);
  /// Registers rows of `whole`, which is what the forward uses, as parameters of their own, one
  /// below the other.
  void add_parts(const at::Tensor& whole, const std::vector<std::string>& names);

  /// `copy` is one of `weights`, which are a parameter's or several's, in another type.
  void add_cast(const at::Tensor& weights, const at::Tensor& copy);

  ModelOptions options_;

 private:
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> cast_from_, cast_to_;
  int64_t depth_ = 0;
};

}  // namespace rat
