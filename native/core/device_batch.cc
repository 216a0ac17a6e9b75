#include "core/device_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/upload.h"

namespace rat {
namespace {

/// The rows of each group, from the group of each row; negative: of none.
void add_segments(Upload& upload, const std::vector<int32_t>& group_of_row, int64_t groups,
                  Segments& segments) {
  std::vector<int32_t> starts(static_cast<size_t>(groups) + 1, 0);
  for (const int32_t group : group_of_row)
    if (group >= 0) ++starts[static_cast<size_t>(group) + 1];
  for (size_t i = 1; i < starts.size(); ++i) {
    segments.longest = std::max<int64_t>(segments.longest, starts[i]);
    starts[i] += starts[i - 1];
  }
  std::vector<int32_t> rows(static_cast<size_t>(starts.back())), next(starts.begin(), starts.end() - 1);
  for (size_t row = 0; row < group_of_row.size(); ++row)
    if (group_of_row[row] >= 0)
      rows[static_cast<size_t>(next[static_cast<size_t>(group_of_row[row])]++)] = static_cast<int32_t>(row);
  segments.count = groups;
  upload.add(starts, segments.starts);
  upload.add(rows, segments.rows);
}

void add_vocabulary(Upload& upload, const PackedBatch& batch, int64_t padding_id,
                    std::vector<int32_t>& scratch, BatchVocabulary& vocabulary) {
  std::vector<int64_t> distinct, slots_index(batch.tokens.size());
  std::vector<int32_t> slots(batch.tokens.size());
  for (size_t t = 0; t < batch.tokens.size(); ++t) {
    if (batch.tokens[t] == padding_id) {
      slots[t] = -1;
      continue;
    }
    int32_t& slot = scratch[static_cast<size_t>(batch.tokens[t])];
    if (slot < 0) {
      slot = static_cast<int32_t>(distinct.size());
      distinct.push_back(batch.tokens[t]);
    }
    slots[t] = slot;
  }
  for (const int64_t token : distinct) scratch[static_cast<size_t>(token)] = -1;
  vocabulary.size = static_cast<int64_t>(distinct.size());
  std::transform(slots.begin(), slots.end(), slots_index.begin(),
                 [&](int32_t slot) { return slot < 0 ? vocabulary.size : int64_t{slot}; });
  upload.add(distinct, vocabulary.distinct_index);
  upload.add(slots_index, vocabulary.slots_index);
  add_segments(upload, slots, vocabulary.size, vocabulary.by_slot);
}

void add_time_major(Upload& upload, const ForwardRows& rows, TimeMajor& layout) {
  const auto length = [&](int64_t s) {
    return rows.starts[static_cast<size_t>(s) + 1] - rows.starts[static_cast<size_t>(s)];
  };
  std::vector<int64_t> by_length(static_cast<size_t>(rows.sequences));
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(),
                   [&](int64_t a, int64_t b) { return length(a) > length(b); });
  std::vector<int64_t> order, inverse(static_cast<size_t>(rows.tokens));
  order.reserve(inverse.size());
  layout.batch_sizes = at::empty({rows.longest}, at::kLong);
  auto* sizes = layout.batch_sizes.data_ptr<int64_t>();
  size_t alive = by_length.size();
  for (int64_t t = 0; t < rows.longest; ++t) {
    while (length(by_length[alive - 1]) <= t) --alive;
    sizes[t] = static_cast<int64_t>(alive);
    for (size_t i = 0; i < alive; ++i) {
      const int64_t packed = rows.starts[static_cast<size_t>(by_length[i])] + t;
      inverse[static_cast<size_t>(packed)] = static_cast<int64_t>(order.size());
      order.push_back(packed);
    }
  }
  upload.add(order, layout.order);
  upload.add(inverse, layout.inverse);
}

template <typename T>
std::vector<T> repeated(const std::vector<T>& values, int64_t copies) {
  std::vector<T> all;
  all.reserve(values.size() * static_cast<size_t>(copies));
  for (int64_t copy = 0; copy < copies; ++copy) all.insert(all.end(), values.begin(), values.end());
  return all;
}

/// The pass of each row, for passes 0 .. passes - 1 of `rows` rows laid end to end.
std::vector<int32_t> pass_of_row(int64_t rows, int64_t passes) {
  std::vector<int32_t> all;
  all.reserve(static_cast<size_t>(rows * passes));
  for (int64_t pass = 0; pass < passes; ++pass)
    all.insert(all.end(), static_cast<size_t>(rows), static_cast<int32_t>(pass));
  return all;
}

}  // namespace

DeviceBatch::DeviceBatch(const PackedBatch& batch, const DeviceBatchOptions& options,
                         std::vector<int32_t>& scratch, at::Device device)
    : forwards_(options.forwards.size()) {
  const int64_t examples = batch.examples(), tokens = batch.token_count();
  const int64_t passes = std::accumulate(options.forwards.begin(), options.forwards.end(), int64_t{0});
  // Every forward is a run of copies of the same rows: what does not name the pass is sent for the most
  // copies that one of them has, and the others take the beginning of it.
  const int64_t most = *std::max_element(options.forwards.begin(), options.forwards.end());
  int64_t longest = 0;
  std::vector<int32_t> example_ids, positions;
  for (int64_t b = 0; b < examples; ++b) {
    const int32_t length =
        batch.sequence_starts[static_cast<size_t>(b) + 1] - batch.sequence_starts[static_cast<size_t>(b)];
    longest = std::max<int64_t>(longest, length);
    for (int32_t position = 0; position < length; ++position) {
      example_ids.push_back(batch.example_ids[static_cast<size_t>(b)]);
      positions.push_back(position);
    }
  }
  std::vector<int64_t> starts{0};
  for (int64_t copy = 0; copy < most; ++copy)
    for (int64_t b = 0; b < examples; ++b)
      starts.push_back(copy * tokens + batch.sequence_starts[static_cast<size_t>(b) + 1]);
  std::vector<int64_t> last_tokens;
  std::transform(starts.begin() + 1, starts.end(), std::back_inserter(last_tokens),
                 [](int64_t end) { return end - 1; });

  Upload upload;
  ForwardRows all;
  upload.add(std::vector<int64_t>(batch.tokens.begin(), batch.tokens.end()), tokens_);
  upload.add(starts, all.starts_index);
  upload.add(last_tokens, all.last_tokens);
  upload.add(repeated(example_ids, most), all.token_rows.example_ids);
  upload.add(repeated(positions, most), all.token_rows.positions);
  upload.add(pass_of_row(tokens, passes), all.token_rows.passes);
  upload.add(repeated(batch.example_ids, most), all.sequence_rows.example_ids);
  upload.add(std::vector<int32_t>(static_cast<size_t>(most * examples), 0), all.sequence_rows.positions);
  upload.add(pass_of_row(examples, passes), all.sequence_rows.passes);
  if (options.indices.encoder) {
    add_segments(upload, positions, longest, all.by_position);
    if (!batch.token_types.empty()) {
      const std::vector<int32_t> types(batch.token_types.begin(), batch.token_types.end());
      upload.add(repeated(types, most), all.token_types);
      add_segments(upload, types, 1 + *std::max_element(types.begin(), types.end()), all.by_token_type);
    }
    if (!device.is_cpu()) {
      std::vector<int64_t> cells;
      for (size_t s = 0; s + 1 < starts.size(); ++s)
        for (int64_t t = 0; t < starts[s + 1] - starts[s]; ++t)
          cells.push_back(static_cast<int64_t>(s) * longest + t);
      upload.add(cells, all.padded_cells);
    }
  }
  for (size_t i = 0; i < forwards_.size(); ++i) {
    ForwardRows& rows = forwards_[i];
    rows.copies = options.forwards[i];
    rows.sequences = rows.copies * examples;
    rows.tokens = rows.copies * tokens;
    rows.starts.assign(starts.begin(), starts.begin() + rows.sequences + 1);
    rows.longest = longest;
    if (options.indices.time_major) add_time_major(upload, rows, rows.time_major);
  }
  if (options.training) {
    add_vocabulary(upload, batch, options.padding_id, scratch, vocabulary_);
    if (!options.scores)
      upload.add(std::vector<int64_t>(batch.class_labels.begin(), batch.class_labels.end()), labels_);
    else if (*options.scores == at::kDouble)
      upload.add(std::vector<double>(batch.scores.begin(), batch.scores.end()), labels_);
    else
      upload.add(batch.scores, labels_);
  }
  upload.send(device);

  int64_t first_pass = 0;
  for (ForwardRows& rows : forwards_) {
    const auto beginning = [](const at::Tensor& values, int64_t count) {
      return values.defined() ? values.narrow(0, 0, count) : values;
    };
    rows.starts_index = beginning(all.starts_index, rows.sequences + 1);
    rows.first_tokens = beginning(all.starts_index, rows.sequences);
    rows.last_tokens = beginning(all.last_tokens, rows.sequences);
    rows.token_rows = {beginning(all.token_rows.example_ids, rows.tokens),
                       beginning(all.token_rows.positions, rows.tokens),
                       all.token_rows.passes.narrow(0, first_pass * tokens, rows.tokens)};
    rows.sequence_rows = {beginning(all.sequence_rows.example_ids, rows.sequences),
                          beginning(all.sequence_rows.positions, rows.sequences),
                          all.sequence_rows.passes.narrow(0, first_pass * examples, rows.sequences)};
    rows.token_types = beginning(all.token_types, rows.tokens);
    rows.padded_cells = beginning(all.padded_cells, rows.tokens);
    rows.by_position = all.by_position;
    rows.by_token_type = all.by_token_type;
    first_pass += rows.copies;
  }
}

}  // namespace rat
