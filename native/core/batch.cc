#include "core/batch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

int64_t PackedBatch::longest() const {
  int64_t most = 0;
  for (size_t b = 1; b < sequence_starts.size(); ++b)
    most = std::max<int64_t>(most, sequence_starts[b] - sequence_starts[b - 1]);
  return most;
}

std::vector<std::vector<size_t>> balanced_parts(const PackedBatch& batch, int64_t most,
                                                int64_t least_tokens) {
  const int64_t count =
      std::clamp<int64_t>(std::min(batch.token_count() / least_tokens, batch.examples()), 1, most);
  const auto length = [&](size_t b) { return batch.sequence_starts[b + 1] - batch.sequence_starts[b]; };
  std::vector<size_t> longest_first(static_cast<size_t>(batch.examples()));
  std::iota(longest_first.begin(), longest_first.end(), size_t{0});
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](size_t a, size_t b) { return length(a) > length(b); });
  std::vector<std::vector<size_t>> parts(static_cast<size_t>(count));
  std::vector<int64_t> tokens(parts.size());
  for (const size_t b : longest_first) {
    const auto least = std::min_element(tokens.begin(), tokens.end()) - tokens.begin();
    parts[static_cast<size_t>(least)].push_back(b);
    tokens[static_cast<size_t>(least)] += length(b);
  }
  for (auto& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

PackedBatch selected(const PackedBatch& batch, const std::vector<size_t>& examples) {
  PackedBatch part;
  part.sequence_starts = {0};
  const auto take = [](const auto& from, size_t begin, size_t end, auto& to) {
    if (!from.empty())
      to.insert(to.end(), from.begin() + static_cast<ptrdiff_t>(begin),
                from.begin() + static_cast<ptrdiff_t>(end));
  };
  const size_t values = batch.label_values.size() / static_cast<size_t>(batch.examples());  // of an example
  for (const size_t b : examples) {
    const auto begin = static_cast<size_t>(batch.sequence_starts[b]);
    const auto end = static_cast<size_t>(batch.sequence_starts[b + 1]);
    take(batch.tokens, begin, end, part.tokens);
    take(batch.token_types, begin, end, part.token_types);
    take(batch.class_labels, b, b + 1, part.class_labels);
    take(batch.label_values, b * values, (b + 1) * values, part.label_values);
    take(batch.example_ids, b, b + 1, part.example_ids);
    part.sequence_starts.push_back(static_cast<int32_t>(part.tokens.size()));
  }
  return part;
}

}  // namespace rat
