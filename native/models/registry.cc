#include "models/registry.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/check.h"

namespace rat {

std::unique_ptr<Model> make_model(const ModelOptions& options, uint64_t seed, at::ScalarType type,
                                  at::Device device) {
  return std::move(make_models(1, 0, options, seed, type, device).front());
}

namespace {

/// Those of the word embeddings are the step's own affair.
int64_t gradient_bytes(const Model& model) {
  int64_t bytes = 0;
  for (const Parameter& parameter : model.parameters())
    if (!parameter.tensor.is_same(model.word_embedding()))
      bytes += static_cast<int64_t>(parameter.tensor.nbytes());
  return bytes;
}

}  // namespace

std::vector<std::unique_ptr<Model>> make_models(int64_t most, int64_t bytes, const ModelOptions& options,
                                                uint64_t seed, at::ScalarType type, at::Device device) {
  using Factory = std::unique_ptr<Model> (*)(const ModelOptions&, Initializer&);
  static const std::map<std::string, Factory> factories{{"bilstm", make_bilstm},
                                                        {"encoder", make_encoder},
                                                        {"textcnn", make_textcnn},
                                                        {"texthan", make_texthan}};
  const auto found = factories.find(options.type);
  if (found == factories.end()) {
    std::string names;
    for (const auto& [name, factory] : factories) names += (names.empty() ? "" : ", ") + name;
    fail("ERR_RAT_MODEL_MISMATCH", "Unknown model type '", options.type, "'; supported: ", names);
  }
  RAT_CHECK(options.vocabulary_size > 0 && options.outputs > 0 && options.embedding_size > 0 &&
                options.hidden_size > 0 && options.layers > 0,
            "ERR_RAT_INVALID_ARG", "Every size of a model must be at least 1");
  Initializer initializer(seed, type, device);
  std::vector<std::unique_ptr<Model>> models;
  models.push_back(found->second(options, initializer));
  const int64_t count = std::min(most, 1 + bytes / std::max<int64_t>(gradient_bytes(*models[0]), 1));
  while (static_cast<int64_t>(models.size()) < count) {
    initializer.repeat();
    models.push_back(found->second(options, initializer));
  }
  return models;
}

}  // namespace rat
