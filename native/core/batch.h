// A packed batch as it comes from JavaScript: B examples laid end to end, T tokens in all, no padding.
// Legend of shape suffixes in native/: B examples, T tokens, S = copies * B sequences of one forward, D
// embedding width, U distinct tokens of the batch, C outputs, V vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/target.h"

namespace rat {

/// What crosses from JavaScript, owned. Host memory.
struct PackedBatch {
  std::vector<int32_t> tokens;           // [T]
  std::vector<int32_t> sequence_starts;  // [B + 1], cumulative
  std::vector<uint8_t> token_types;      // [T], or empty: all 0
  std::vector<int32_t> class_labels;     // [B], of Target::kClass
  std::vector<float> label_values;       // [B] scores, or [B, C] label sets
  std::vector<int32_t> example_ids;      // [B]

  int64_t examples() const { return static_cast<int64_t>(example_ids.size()); }
  int64_t token_count() const { return static_cast<int64_t>(tokens.size()); }
  int64_t longest() const;  // tokens of its longest example
};

/// What a model can take.
struct BatchLimits {
  int64_t vocabulary_size = 0;
  int64_t outputs = 0;
  int64_t longest = 0;      // most tokens of an example; 0 = any number
  int64_t token_types = 0;  // 0 = it reads none
};

/// Throws ERR_RAT_INVALID_ARG unless starts are increasing and cover the tokens, tokens and token types are
/// known to the model and no example is empty; ERR_RAT_LIMIT if one is too long; ERR_RAT_LABEL unless its labels are those
/// of `target`, if there is one.
void check_batch(const PackedBatch& batch, const BatchLimits& limits, std::optional<Target> target);

/// The examples of each of at most `most` parts of a batch, in rising order; the parts have about as many tokens each,
/// and, if there are several, not much fewer than `least_tokens`.
std::vector<std::vector<size_t>> balanced_parts(const PackedBatch& batch, int64_t most, int64_t least_tokens);

/// Some of a batch's examples.
PackedBatch selected(const PackedBatch& batch, const std::vector<size_t>& examples);

}  // namespace rat
