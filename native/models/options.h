// What a model is made from: sizes as in config.json (lib/models/config.ts).
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rat {

/// What a Transformer encoder has besides the sizes that every model has, and how its family calls
/// its tensors (lib/models/families/).
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
  bool recomputes = false;             // layers keep nothing for the backward pass but what they began with
  bool takes_torch_attention = false;  // LibTorch's attention, with its generator's masks
  bool pretrained = false;             // all but the head will be loaded: no need to draw it
  int64_t fresh_layers = 0;            // but for the sets of weights of the top ones
  std::vector<std::string> layer_prefixes;   // of each set of layer weights
  std::vector<int64_t> layer_order;          // the set that each layer uses (ALBERT shares them)
  std::map<std::string, std::string> names;  // of the tensors, without `.weight` and `.bias`
};

struct ModelOptions {
  std::string type;  // bilstm, textcnn, texthan, encoder
  int64_t vocabulary_size = 0;
  int64_t outputs = 0;  // C; 1 for a score
  int64_t embedding_size = 300;
  int64_t hidden_size = 0;       // a direction; filters a window width for textcnn
  int64_t layers = 1;            // bilstm, texthan
  std::vector<int64_t> windows;  // textcnn
  int64_t padding_id = 0;
  double embedding_std = 0.1;
  EncoderOptions encoder;
  /// Type of an encoder's matrix products; parameters have the trainer's.
  c10::ScalarType compute = c10::kFloat;
};

}  // namespace rat
