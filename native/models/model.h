// What a model is to the training step: a list of named parameters, and a function from embedded tokens to
// outputs. The step gathers and perturbs the word embeddings itself, so a model never sees token ids.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "layers/dropout.h"

namespace rat {

/// Sizes as in config.json (lib/models/config.ts).
struct ModelOptions {
  std::string type;  // bilstm, textcnn, texthan
  int64_t vocabulary_size = 0;
  int64_t outputs = 0;  // C; 1 for regression
  int64_t embedding_size = 300;
  int64_t hidden_size = 0;       // a direction; filters a window width for textcnn
  int64_t layers = 1;            // bilstm, texthan
  std::vector<int64_t> windows;  // textcnn
  int64_t padding_id = 0;
  double embedding_std = 0.1;
};

struct Parameter {
  std::string name;  // PyTorch's, as it stands in model.safetensors
  at::Tensor tensor;
  bool decays = true;  // whether weight decay applies
};

/// Draws initial values from the initialisation stream of a seed. Each tensor has its own part of the stream,
/// in the order of the model's parameters; values do not depend on precision, device or thread count.
class Initializer {
 public:
  Initializer(uint64_t seed, at::ScalarType type, at::Device device);
  at::Tensor normal(at::IntArrayRef shape, double standard_deviation);
  /// Uniform in [-bound, bound).
  at::Tensor uniform(at::IntArrayRef shape, double bound);

 private:
  template <typename Draw>
  at::Tensor fill(at::IntArrayRef shape, Draw draw);

  PhiloxKey key_;
  at::ScalarType type_;
  at::Device device_;
  uint32_t next_tensor_ = 0;
};

class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// x: word embeddings of the rows `[tokens, D]`; returns logits `[S, C]`.
  virtual at::Tensor forward(const at::Tensor& x, const ForwardRows& rows, const Dropout& dropout) const = 0;

  /// In the order of the model; the word-embedding matrix `[V, D]` comes first.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const at::Tensor& word_embedding() const { return parameters_.front().tensor; }
  const ModelOptions& options() const { return options_; }

 protected:
  explicit Model(ModelOptions options) : options_(std::move(options)) {}

  /// Registers the word embeddings: normal, the padding row zero.
  void add_word_embedding(Initializer& initializer);
  at::Tensor add(const std::string& name, at::Tensor tensor);

  ModelOptions options_;

 private:
  std::vector<Parameter> parameters_;
};

/// A fully connected layer with PyTorch's names and initialisation.
struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
  at::Tensor operator()(const at::Tensor& x) const;
};

/// The model that `options.type` names; ERR_RAT_MODEL_MISMATCH lists the names if it is none of them.
std::unique_ptr<Model> make_model(const ModelOptions& options, uint64_t seed, at::ScalarType type,
                                  at::Device device);

std::unique_ptr<Model> make_textcnn(const ModelOptions& options, Initializer& initializer);
std::unique_ptr<Model> make_bilstm(const ModelOptions& options, Initializer& initializer);
std::unique_ptr<Model> make_texthan(const ModelOptions& options, Initializer& initializer);

}  // namespace rat
