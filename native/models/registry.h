// The models by name: a new one is a file and a line in registry.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/initializer.h"
#include "models/model.h"

namespace rat {

/// The model that `options.type` names; ERR_RAT_MODEL_MISMATCH lists the names if it is none of them.
std::unique_ptr<Model> make_model(const ModelOptions& options, uint64_t seed, at::ScalarType type,
                                  at::Device device);
/// At most `most` that share their memory, each with gradients of its own; those of all but the first have no more than
/// `bytes` together.
std::vector<std::unique_ptr<Model>> make_models(int64_t most, int64_t bytes, const ModelOptions& options,
                                                uint64_t seed, at::ScalarType type, at::Device device);

std::unique_ptr<Model> make_textcnn(const ModelOptions& options, Initializer& initializer);
std::unique_ptr<Model> make_bilstm(const ModelOptions& options, Initializer& initializer);
std::unique_ptr<Model> make_texthan(const ModelOptions& options, Initializer& initializer);
std::unique_ptr<Model> make_encoder(const ModelOptions& options, Initializer& initializer);

}  // namespace rat
