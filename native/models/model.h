// What a model is to the training step: a list of named parameters, and a function from embedded tokens to
// outputs. The step gathers and perturbs the word embeddings itself, so a model never sees token ids.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/device_batch.h"
#include "layers/dropout.h"

namespace rat {

/// What a Transformer encoder has besides the sizes that every model has, and how its family calls its
/// tensors (lib/models/encoder-families.ts).
struct EncoderOptions {
  int64_t heads = 1;
  int64_t intermediate_size = 0;  // F, width of the feed-forward layer
  int64_t max_positions = 0;      // rows of the position embeddings
  int64_t position_offset = 0;    // position of a text's first token (RoBERTa: padding id + 1)
  int64_t token_types = 0;        // rows of the token type embeddings; 0 = there are none
  double layer_norm_eps = 1e-12;
  std::string activation;  // gelu, gelu_new, relu
  std::string head;        // pooler, dense, dense-gelu, pre-classifier: see Encoder::head
  double hidden_dropout = 0, attention_dropout = 0, classifier_dropout = 0;  // the model's own rates
  bool attention_output_dropout = true, feed_forward_dropout = true;         // where the family has dropout
  double initializer_range = 0.02;
  bool pretrained = false;                   // all but the head will be loaded: no need to draw it
  std::vector<std::string> layer_prefixes;   // of each set of layer weights
  std::vector<int64_t> layer_order;          // the set that each layer uses (ALBERT shares them)
  std::map<std::string, std::string> names;  // of the tensors, without `.weight` and `.bias`
};

/// Sizes as in config.json (lib/models/config.ts).
struct ModelOptions {
  std::string type;  // bilstm, textcnn, texthan, encoder
  int64_t vocabulary_size = 0;
  int64_t outputs = 0;  // C; 1 for regression
  int64_t embedding_size = 300;
  int64_t hidden_size = 0;       // a direction; filters a window width for textcnn
  int64_t layers = 1;            // bilstm, texthan
  std::vector<int64_t> windows;  // textcnn
  int64_t padding_id = 0;
  double embedding_std = 0.1;
  EncoderOptions encoder;
  /// Type of an encoder's matrix products; parameters have the trainer's.
  at::ScalarType compute = at::kFloat;
};

struct Parameter {
  std::string name;  // PyTorch's, as it stands in model.safetensors
  at::Tensor tensor;
  bool decays = true;  // whether weight decay applies
  /// Where several parameters are one matrix for autograd (queries, keys and values): that matrix, and the
  /// first row of this one in it.
  at::Tensor whole = {};
  int64_t first_row = 0;

  /// Undefined before a backward pass.
  at::Tensor gradient() const;
  void clear_gradient() const;
};

/// Draws initial values from the initialisation stream of a seed. Each tensor has its own part of the stream,
/// in the order of the model's parameters; values do not depend on precision, device or thread count.
class Initializer {
 public:
  Initializer(uint64_t seed, at::ScalarType type, at::Device device);
  at::Tensor normal(at::IntArrayRef shape, double standard_deviation);
  /// Uniform in [-bound, bound).
  at::Tensor uniform(at::IntArrayRef shape, double bound);
  /// Takes no part of the stream.
  at::Tensor constant(at::IntArrayRef shape, double value) const;
  /// Zeros in place of a tensor that will be loaded; the next one's part of the stream does not move.
  at::Tensor skip(at::IntArrayRef shape);

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
  /// Most tokens of an example; 0 = any number.
  virtual int64_t longest() const { return 0; }
  /// What its forward reads of `rows` beyond what all models do.
  virtual RowIndices row_indices() const { return {}; }

 protected:
  explicit Model(ModelOptions options) : options_(std::move(options)) {}

  /// Registers the word embeddings as the first parameter; the padding row becomes zero.
  void add_word_embedding(const std::string& name, at::Tensor matrix);
  at::Tensor add(const std::string& name, at::Tensor tensor, bool decays = true);
  /// Registers rows of `whole`, which is what the forward uses, as parameters of their own, one below the
  /// other.
  void add_parts(const at::Tensor& whole, const std::vector<std::string>& names);

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
std::unique_ptr<Model> make_encoder(const ModelOptions& options, Initializer& initializer);

}  // namespace rat
