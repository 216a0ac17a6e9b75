#include "core/batch.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace rat {
namespace {

template <typename T>
at::Tensor to_device(const std::vector<T>& values, at::ScalarType type, at::Device device) {
  auto host = at::empty({static_cast<int64_t>(values.size())}, at::TensorOptions().dtype(type));
  std::copy(values.begin(), values.end(), host.data_ptr<T>());
  return device.is_cpu() ? host : host.to(device);
}

at::Tensor int64_on_device(const std::vector<int32_t>& values, at::Device device) {
  return to_device(std::vector<int64_t>(values.begin(), values.end()), at::kLong, device);
}

}  // namespace

void check_batch(const PackedBatch& batch, const BatchLimits& limits, bool regression, bool with_labels) {
  const int64_t examples = batch.examples();
  const auto& starts = batch.sequence_starts;
  RAT_CHECK(examples > 0, "ERR_RAT_INVALID_ARG", "A batch needs at least one example");
  RAT_CHECK(static_cast<int64_t>(starts.size()) == examples + 1, "ERR_RAT_INVALID_ARG",
            "Expected sequenceStarts of length ", examples + 1, " (exampleIds + 1) but received ",
            starts.size());
  RAT_CHECK(starts.front() == 0 && starts.back() == batch.token_count(), "ERR_RAT_INVALID_ARG",
            "sequenceStarts must begin with 0 and end with the number of tokens, ", batch.token_count());
  for (int64_t b = 0; b < examples; ++b) {
    RAT_CHECK(starts[b] < starts[b + 1], "ERR_RAT_INVALID_ARG", "Example ", b,
              " of the batch has no tokens; an empty text is one [UNK]");
    RAT_CHECK(limits.longest == 0 || starts[b + 1] - starts[b] <= limits.longest, "ERR_RAT_LIMIT", "Example ",
              b, " of the batch has ", starts[b + 1] - starts[b], " tokens, but the model takes at most ",
              limits.longest, "; use a smaller maxLength");
    RAT_CHECK(batch.example_ids[b] >= 0, "ERR_RAT_INVALID_ARG", "exampleIds must not be negative");
  }
  for (const int32_t token : batch.tokens)
    RAT_CHECK(token >= 0 && token < limits.vocabulary_size, "ERR_RAT_INVALID_ARG", "Token id ", token,
              " is outside the vocabulary of ", limits.vocabulary_size);
  RAT_CHECK(batch.token_types.empty() || batch.token_types.size() == batch.tokens.size(),
            "ERR_RAT_INVALID_ARG", "Expected tokenTypes of length ", batch.tokens.size(), " but received ",
            batch.token_types.size());
  if (limits.token_types > 0)
    for (const uint8_t type : batch.token_types)
      RAT_CHECK(type < limits.token_types, "ERR_RAT_INVALID_ARG", "Token type ", static_cast<int>(type),
                " is outside 0..", limits.token_types - 1);
  if (!with_labels) return;
  if (regression) {
    RAT_CHECK(static_cast<int64_t>(batch.scores.size()) == examples, "ERR_RAT_LABEL", "Expected ", examples,
              " scores (Float32Array) but received ", batch.scores.size());
    for (const float score : batch.scores)
      RAT_CHECK(std::isfinite(score), "ERR_RAT_NON_FINITE", "A score of the batch is not finite");
    return;
  }
  RAT_CHECK(static_cast<int64_t>(batch.class_labels.size()) == examples, "ERR_RAT_LABEL", "Expected ",
            examples, " class indices (Int32Array) but received ", batch.class_labels.size());
  for (const int32_t label : batch.class_labels)
    RAT_CHECK(label >= 0 && label < limits.outputs, "ERR_RAT_LABEL", "Class index ", label, " is outside 0..",
              limits.outputs - 1);
}

BatchVocabulary batch_vocabulary(const PackedBatch& batch, int64_t padding_id, std::vector<int32_t>& scratch,
                                 at::Device device) {
  BatchVocabulary vocabulary;
  vocabulary.slots.resize(batch.tokens.size());
  std::vector<int32_t> counts;
  for (size_t t = 0; t < batch.tokens.size(); ++t) {
    const int32_t token = batch.tokens[t];
    if (token == padding_id) {
      vocabulary.slots[t] = -1;
      continue;
    }
    int32_t& slot = scratch[static_cast<size_t>(token)];
    if (slot < 0) {
      slot = static_cast<int32_t>(vocabulary.distinct.size());
      vocabulary.distinct.push_back(token);
      counts.push_back(0);
    }
    vocabulary.slots[t] = slot;
    ++counts[static_cast<size_t>(slot)];
  }
  const auto padding_slot = static_cast<int32_t>(vocabulary.distinct.size());
  vocabulary.slot_starts.assign(1, 0);
  for (const int32_t count : counts) vocabulary.slot_starts.push_back(vocabulary.slot_starts.back() + count);
  vocabulary.positions.resize(static_cast<size_t>(vocabulary.slot_starts.back()));
  std::vector<int32_t> next(vocabulary.slot_starts.begin(), vocabulary.slot_starts.end() - 1);
  for (size_t t = 0; t < vocabulary.slots.size(); ++t) {
    int32_t& slot = vocabulary.slots[t];
    if (slot < 0)
      slot = padding_slot;
    else
      vocabulary.positions[static_cast<size_t>(next[static_cast<size_t>(slot)]++)] = static_cast<int32_t>(t);
  }
  for (const int32_t token : vocabulary.distinct) scratch[static_cast<size_t>(token)] = -1;
  vocabulary.distinct_index = int64_on_device(vocabulary.distinct, device);
  vocabulary.slots_index = int64_on_device(vocabulary.slots, device);
  return vocabulary;
}

ForwardRows forward_rows(const PackedBatch& batch, int64_t copies, int64_t first_pass, at::Device device) {
  ForwardRows rows;
  const int64_t examples = batch.examples();
  const int64_t tokens = batch.token_count();
  rows.sequences = copies * examples;
  rows.tokens = copies * tokens;
  std::vector<int32_t> token_example, token_position, token_pass, sequence_example, sequence_pass;
  token_example.reserve(static_cast<size_t>(rows.tokens));
  token_position.reserve(static_cast<size_t>(rows.tokens));
  token_pass.reserve(static_cast<size_t>(rows.tokens));
  rows.starts.push_back(0);
  for (int64_t copy = 0; copy < copies; ++copy) {
    const auto pass = static_cast<int32_t>(first_pass + copy);
    for (int64_t b = 0; b < examples; ++b) {
      const int32_t length = batch.sequence_starts[b + 1] - batch.sequence_starts[b];
      rows.longest = std::max<int64_t>(rows.longest, length);
      rows.starts.push_back(rows.starts.back() + length);
      sequence_example.push_back(batch.example_ids[b]);
      sequence_pass.push_back(pass);
      for (int32_t position = 0; position < length; ++position) {
        token_example.push_back(batch.example_ids[b]);
        token_position.push_back(position);
        token_pass.push_back(pass);
      }
    }
  }
  if (!batch.token_types.empty()) {
    std::vector<int64_t> types;
    for (int64_t copy = 0; copy < copies; ++copy)
      types.insert(types.end(), batch.token_types.begin(), batch.token_types.end());
    rows.token_types = to_device(types, at::kLong, device);
  }
  rows.starts_index = to_device(rows.starts, at::kLong, device);
  rows.token_rows = {to_device(token_example, at::kInt, device), to_device(token_position, at::kInt, device),
                     to_device(token_pass, at::kInt, device)};
  rows.sequence_rows = {to_device(sequence_example, at::kInt, device),
                        at::zeros({rows.sequences}, at::TensorOptions().dtype(at::kInt).device(device)),
                        to_device(sequence_pass, at::kInt, device)};
  return rows;
}

}  // namespace rat
