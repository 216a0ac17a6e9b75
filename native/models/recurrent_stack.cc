#include "models/recurrent_stack.h"

#include <cmath>

namespace rat {

RecurrentModel::RecurrentModel(const ModelOptions& options, Cell cell, const std::string& prefix,
                               Initializer& initializer)
    : Model(options) {
  add_word_embedding("embedding.weight", initializer.normal({options.vocabulary_size, options.embedding_size},
                                                            options.embedding_std));
  const int64_t hidden = options.hidden_size;
  const int64_t gates = (cell == Cell::kLstm ? 4 : 3) * hidden;
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    set_depth(1 + layer);
    const int64_t inputs = layer == 0 ? options.embedding_size : 2 * hidden;
    RecurrentLayer parameters{cell, {}};
    for (const char* direction : {"", "_reverse"}) {
      const std::string suffix = "_l" + std::to_string(layer) + direction;
      const auto add_uniform = [&](const char* name, at::IntArrayRef shape) {
        parameters.parameters.push_back(add(prefix + "." + name + suffix, initializer.uniform(shape, bound)));
      };
      add_uniform("weight_ih", {gates, inputs});
      add_uniform("weight_hh", {gates, hidden});
      add_uniform("bias_ih", {gates});
      add_uniform("bias_hh", {gates});
    }
    layers_.push_back(std::move(parameters));
  }
}

at::Tensor RecurrentModel::states(const at::Tensor& x, const ForwardRows& rows,
                                  const Dropout& settings) const {
  at::Tensor states = x;
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layer > 0)
      states = dropout(states, rows.token_rows, settings, DropoutSite::kBetweenLayers,
                       static_cast<uint32_t>(layer));
    states = bidirectional(states, rows.time_major, layers_[layer]);
  }
  return states;
}

void RecurrentModel::add_classifier(int64_t features, Initializer& initializer) {
  set_depth(1 + options_.layers);
  const double bound = 1 / std::sqrt(static_cast<double>(features));
  classifier_.weight = add("classifier.weight", initializer.uniform({options_.outputs, features}, bound));
  classifier_.bias = add("classifier.bias", initializer.uniform({options_.outputs}, bound));
}

at::Tensor RecurrentModel::classify(const at::Tensor& sentence) const {
  return at::linear(sentence, classifier_.weight, classifier_.bias);
}

}  // namespace rat
