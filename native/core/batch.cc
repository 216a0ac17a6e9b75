#include "core/batch.h"

#include <cmath>

#include "core/check.h"

namespace rat {
namespace {

void check_values(const PackedBatch& batch, int64_t expected, const char* what) {
  RAT_CHECK(static_cast<int64_t>(batch.label_values.size()) == expected, "ERR_RAT_LABEL", "Expected ",
            expected, " ", what, " (Float32Array) but received ", batch.label_values.size());
}

void check_labels(const PackedBatch& batch, const BatchLimits& limits, Target target) {
  const int64_t examples = batch.examples();
  switch (target) {
    case Target::kClass:
      RAT_CHECK(static_cast<int64_t>(batch.class_labels.size()) == examples, "ERR_RAT_LABEL", "Expected ",
                examples, " class indices (Int32Array) but received ", batch.class_labels.size());
      for (const int32_t label : batch.class_labels)
        RAT_CHECK(label >= 0 && label < limits.outputs, "ERR_RAT_LABEL", "Class index ", label,
                  " is outside 0..", limits.outputs - 1);
      return;
    case Target::kScore:
      check_values(batch, examples, "scores");
      for (const float score : batch.label_values)
        RAT_CHECK(std::isfinite(score), "ERR_RAT_NON_FINITE", "A score of the batch is not finite");
      return;
    case Target::kLabelSet:
      check_values(batch, examples * limits.outputs, "zeros and ones");
      for (const float value : batch.label_values)
        RAT_CHECK(value == 0 || value == 1, "ERR_RAT_LABEL", "Expected 0 or 1 for each label but received ",
                  value);
      return;
  }
}

}  // namespace

void check_batch(const PackedBatch& batch, const BatchLimits& limits, std::optional<Target> target) {
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
  if (target) check_labels(batch, limits, *target);
}

}  // namespace rat
