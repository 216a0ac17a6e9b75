// A packed batch on its way through a step: B examples laid end to end, T tokens in all, no padding.
// Legend of shape suffixes in native/: B examples, T tokens, S = copies * B sequences of one forward, D
// embedding width, U distinct tokens of the batch, C outputs, V vocabulary.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace rat {

/// What crosses from JavaScript, owned. Host memory.
struct PackedBatch {
  std::vector<int32_t> tokens;           // [T]
  std::vector<int32_t> sequence_starts;  // [B + 1], cumulative
  std::vector<uint8_t> token_types;      // [T], or empty: all 0
  std::vector<int32_t> class_labels;     // [B], classification
  std::vector<float> scores;             // [B], regression
  std::vector<int32_t> example_ids;      // [B]

  int64_t examples() const { return static_cast<int64_t>(example_ids.size()); }
  int64_t token_count() const { return static_cast<int64_t>(tokens.size()); }
};

/// What a model can take.
struct BatchLimits {
  int64_t vocabulary_size = 0;
  int64_t outputs = 0;
  int64_t longest = 0;      // most tokens of an example; 0 = any number
  int64_t token_types = 0;  // 0 = it reads none
};

/// Throws ERR_RAT_INVALID_ARG unless starts are increasing and cover the tokens, tokens and token types are
/// known to the model and no example is empty; ERR_RAT_LIMIT if one is too long. `with_labels` also checks
/// the labels (ERR_RAT_LABEL).
void check_batch(const PackedBatch& batch, const BatchLimits& limits, bool regression, bool with_labels);

/// The distinct tokens of a batch and where each stands: what a gradient or a perturbation of the
/// word-embedding matrix needs, without ever touching its other rows. Slot U belongs to the padding token,
/// whose row has neither.
struct BatchVocabulary {
  std::vector<int32_t> distinct;     // [U] token ids, in order of first appearance
  std::vector<int32_t> slots;        // [T] index into `distinct`, or U for padding
  std::vector<int32_t> slot_starts;  // [U + 1] cumulative: where a slot's positions start in `positions`
  std::vector<int32_t> positions;    // tokens' positions grouped by slot, padding left out
  at::Tensor distinct_index;         // [U] int64 on the device
  at::Tensor slots_index;            // [T] int64 on the device

  int64_t size() const { return static_cast<int64_t>(distinct.size()); }
};

/// `scratch` is any vector of V entries that is -1 everywhere, and is so again afterwards.
BatchVocabulary batch_vocabulary(const PackedBatch& batch, int64_t padding_id, std::vector<int32_t>& scratch,
                                 at::Device device);

/// Which dropout mask each row of a tensor gets. All int32, `[rows]`, on the device.
struct MaskRows {
  at::Tensor example_ids;
  at::Tensor positions;
  at::Tensor passes;
};

/// The rows of one forward: `copies` copies of the batch laid end to end, each one dropout pass.
struct ForwardRows {
  int64_t sequences = 0;        // S = copies * B
  int64_t tokens = 0;           // copies * T
  std::vector<int64_t> starts;  // [S + 1]
  int64_t longest = 0;
  at::Tensor starts_index;  // [S + 1] int64 on the device
  MaskRows token_rows;      // one row a token
  MaskRows sequence_rows;   // one row a sequence, position 0
  at::Tensor token_types;   // [tokens] int64 on the device; undefined: all 0
};

/// Copies are dropout passes first_pass, first_pass + 1, ...
ForwardRows forward_rows(const PackedBatch& batch, int64_t copies, int64_t first_pass, at::Device device);

}  // namespace rat
