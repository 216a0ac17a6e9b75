#include "core/batch.h"

#include <cmath>

#include "core/check.h"

namespace rat {

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

}  // namespace rat
