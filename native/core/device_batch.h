// Batches on the device, as the forwards of a step read them. All of it is made on the host before the step and
// sent in one copy, so that nothing in a step waits for a transfer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "core/batch.h"
#include "core/step_scalars.h"
#include "core/upload.h"

namespace rat {

/// Rows that share an index, group by group: what the gradient of a gather sums up, in a fixed order.
struct Segments {
  at::Tensor starts;    // [N + 1] int32
  at::Tensor rows;      // [R] int32: the rows of each group, in rising order
  int64_t longest = 0;  // most rows of a group, or about so many: how much of a kernel takes one
  int64_t count = 0;    // N
};

/// Which dropout mask each row of a tensor gets. All int32, `[rows]`.
struct MaskRows {
  at::Tensor example_ids;
  at::Tensor positions;
  at::Tensor passes;
};

/// How packed tokens are laid out by time step: sequences by falling length, all first tokens, all
/// second ones, ...
struct TimeMajor {
  at::Tensor order;        // [tokens] int64: the packed row of each time-major row
  at::Tensor inverse;      // [tokens] int64: the time-major row of each packed row
  at::Tensor batch_sizes;  // [longest] int64, on the CPU: how many sequences have a t-th token
};

/// Where sequences begin, `[S + 1]` int32: as LibTorch's attention reads it.
struct Starts32 {
  at::Tensor of_tokens;
  at::Tensor of_first_tokens;  // where there is one row a sequence: 0, 1, ...
};

/// The rows of one forward.
struct ForwardRows {
  int64_t copies = 1;
  int64_t sequences = 0;        // S = copies * B
  int64_t tokens = 0;           // copies * T
  std::vector<int64_t> starts;  // [S + 1]
  int64_t longest = 0;
  at::Tensor starts_index;  // [S + 1] int64
  at::Tensor ends_index;    // [S] int64; rows from there to the next start are filler
  at::Tensor first_tokens;  // [S] int64: row of each sequence's first token
  at::Tensor last_tokens;   // [S] int64
  MaskRows token_rows;      // one row a token
  MaskRows sequence_rows;   // one row a sequence, position 0
  // Where the model asked for them:
  TimeMajor time_major;
  at::Tensor token_types;  // [tokens] int32; undefined: all 0
  Segments by_position;    // of one copy's tokens
  Segments by_token_type;  // of one copy's tokens
  at::Tensor
      padded_cells;  // [tokens] int64: each token's cell in a grid `[S, longest]`; where attention is padded
  Starts32 starts_32;
};

/// What a model's forward reads of its rows beyond what all do.
struct RowIndices {
  bool time_major = false;        // recurrent models
  bool encoder = false;           // token types, segments of positions and token types
  bool padded_attention = false;  // cells of a padded grid; of encoders alone
  bool torch_attention = false;   // starts_32; of encoders alone
};

/// The distinct tokens of a step: what a gradient or a perturbation of the word-embedding matrix needs, without
/// ever touching its other rows. Slot U belongs to the padding token, whose row has neither.
struct BatchVocabulary {
  int64_t size = 0;           // U, filler included
  bool has_filler = false;    // from StepScalars::distinct_tokens on; no token of the batches is there
  at::Tensor distinct_index;  // [U] int64 token ids, in order of first appearance
  at::Tensor spared;  // int64: the slots of tokens that no perturbation touches; undefined: none are wanted
};

/// Where the tokens of one batch stand among a step's distinct ones.
struct TokenSlots {
  at::Tensor index;  // [T] int64: the slot of each token, U for padding
  Segments by_slot;  // of the T tokens, padding left out
};

/// What the arrays of a batch are made large enough for. Beyond what the batch has they hold filler: rows of the padding token
/// that stand in no sequence and have no gradient, and groups without rows. So one shape serves many batches.
struct BatchSize {
  int64_t tokens = 0;       // of one copy
  int64_t longest = 0;      // sequence
  int64_t token_types = 0;  // 0: it has none
  auto operator<=>(const BatchSize&) const = default;
};

/// What is wanted on the device.
struct DeviceBatchOptions {
  std::vector<ForwardLayout> forwards{{}};
  RowIndices indices;
  bool by_example = false;  // training: DeviceBatch::by_example() too
  int64_t padding_id = 0;
  std::vector<int32_t> spared_tokens = {};     // ids that no perturbation touches
  std::optional<at::ScalarType> label_values;  // float or double; none: labels are class indices
  /// One for each batch, not for recurrent models nor padded attention; the distinct tokens are then as many as the tokens of
  /// all. Empty: no filler.
  std::vector<BatchSize> sizes = {};
};

class DeviceBatch {
 public:
  /// To predict: no labels, no slots.
  DeviceBatch(const PackedBatch& batch, const DeviceBatchOptions& options, at::Device device);

  int64_t examples() const { return examples_; }
  const at::Tensor& tokens() const { return tokens_; }  // [T] int64
  const at::Tensor& labels() const { return labels_; }  // [B] int64 classes, [B] scores or [B * C] label sets
  const TokenSlots& slots() const { return slots_; }
  /// The rows of forward `i` of `options.forwards`.
  const ForwardRows& rows(size_t i) const { return forwards_[i]; }

  /// The tokens of each example, and the example of each token `[T]` int64.
  const Segments& by_example() const { return by_example_; }
  const at::Tensor& example_of_token() const { return example_of_token_; }
  /// int64: the tokens that no perturbation touches; undefined: none are wanted.
  const at::Tensor& spared() const { return spared_; }

 private:
  friend class DeviceStep;
  DeviceBatch() = default;
  void add_to(Upload& upload, const PackedBatch& batch, const DeviceBatchOptions& options,
              const BatchSize& size);
  void add_training(Upload& upload, const PackedBatch& batch, const DeviceBatchOptions& options,
                    const BatchSize& size, const std::vector<int32_t>& slots, int64_t vocabulary_size);
  void divide(const DeviceBatchOptions& options);

  int64_t examples_ = 0;
  at::Tensor tokens_, labels_;
  TokenSlots slots_;
  Segments by_example_;
  at::Tensor example_of_token_, spared_;
  ForwardRows most_;  // what all forwards share, for the most copies that one of them has
  std::vector<ForwardRows> forwards_;
};

/// The batches of one step, with one vocabulary, and its scalars.
class DeviceStep {
 public:
  /// `scratch` is any vector of V entries that is -1 everywhere, and is so again afterwards. The arrays are sent to `memory`,
  /// that of an earlier step of the same sizes, or to new memory.
  DeviceStep(const std::vector<PackedBatch>& batches, const StepScalars& scalars,
             const DeviceBatchOptions& options, std::vector<int32_t>& scratch, at::Device device,
             const at::Tensor& memory = {});
  DeviceStep(const DeviceStep&) = delete;
  DeviceStep& operator=(const DeviceStep&) = delete;

  const std::vector<DeviceBatch>& batches() const { return batches_; }
  const BatchVocabulary& vocabulary() const { return vocabulary_; }

  /// Where all of it is on the device.
  const at::Tensor& memory() const { return memory_; }

  const StepScalars& scalars() const { return scalars_; }
  /// The same as bytes on the device.
  const at::Tensor& device_scalars() const { return device_scalars_; }
  /// One of them there, 0-dimensional, by its offset in StepScalars.
  at::Tensor scalar(size_t offset, at::ScalarType type) const;

 private:
  std::vector<DeviceBatch> batches_;
  BatchVocabulary vocabulary_;
  StepScalars scalars_;
  at::Tensor device_scalars_, memory_;
};

}  // namespace rat
