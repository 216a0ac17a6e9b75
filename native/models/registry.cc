#include "models/registry.h"

#include <map>
#include <string>

#include "core/check.h"

namespace rat {

std::unique_ptr<Model> make_model(const ModelOptions& options, uint64_t seed, at::ScalarType type,
                                  at::Device device) {
  return std::move(make_models(1, options, seed, type, device).front());
}

std::vector<std::unique_ptr<Model>> make_models(int64_t count, const ModelOptions& options, uint64_t seed,
                                                at::ScalarType type, at::Device device) {
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
  for (int64_t i = 0; i < count; ++i) {
    models.push_back(found->second(options, initializer));
    initializer.repeat();
  }
  return models;
}

}  // namespace rat
