#include "core/device_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/savings.h"

namespace rat {
namespace {

/// What a size says of segments in place of their rows.
struct Room {
  int64_t rows = 0;     // that the array is made for, if more
  int64_t longest = 0;  // group, about
};

/// The rows of each group, from the group of each row; negative: of none.
void add_segments(Upload& upload, const std::vector<int32_t>& group_of_row, int64_t groups, const Room& room,
                  Segments& segments) {
  std::vector<int32_t> starts(static_cast<size_t>(groups) + 1, 0);
  for (const int32_t group : group_of_row)
    if (group >= 0) ++starts[static_cast<size_t>(group) + 1];
  for (size_t i = 1; i < starts.size(); ++i) {
    segments.longest = std::max<int64_t>(segments.longest, starts[i]);
    starts[i] += starts[i - 1];
  }
  std::vector<int32_t> rows(static_cast<size_t>(std::max<int64_t>(starts.back(), room.rows)));
  std::vector<int32_t> next(starts.begin(), starts.end() - 1);
  for (size_t row = 0; row < group_of_row.size(); ++row)
    if (group_of_row[row] >= 0)
      rows[static_cast<size_t>(next[static_cast<size_t>(group_of_row[row])]++)] = static_cast<int32_t>(row);
  segments.count = groups;
  if (room.rows > 0) segments.longest = room.longest;
  upload.add(std::move(starts), segments.starts);
  upload.add(std::move(rows), segments.rows);
}

/// The slot of each token of each batch, -1 for padding.
std::vector<std::vector<int32_t>> slots_of(const std::vector<PackedBatch>& batches, int64_t padding_id,
                                           std::vector<int32_t>& scratch, std::vector<int64_t>& distinct) {
  std::vector<std::vector<int32_t>> slots;
  for (const PackedBatch& batch : batches) {
    std::vector<int32_t>& of_batch = slots.emplace_back(batch.tokens.size(), -1);
    for (size_t t = 0; t < batch.tokens.size(); ++t) {
      if (batch.tokens[t] == padding_id) continue;
      int32_t& slot = scratch[static_cast<size_t>(batch.tokens[t])];
      if (slot < 0) {
        slot = static_cast<int32_t>(distinct.size());
        distinct.push_back(batch.tokens[t]);
      }
      of_batch[t] = slot;
    }
  }
  for (const int64_t token : distinct) scratch[static_cast<size_t>(token)] = -1;
  return slots;
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
  upload.add(std::move(order), layout.order);
  upload.add(std::move(inverse), layout.inverse);
}

/// Where those of a few token ids stand.
template <typename Id>
std::vector<int64_t> places_of(const std::vector<int32_t>& few, const std::vector<Id>& ids) {
  std::vector<int64_t> places;
  for (size_t i = 0; i < ids.size(); ++i)
    if (std::find(few.begin(), few.end(), static_cast<int32_t>(ids[i])) != few.end())
      places.push_back(static_cast<int64_t>(i));
  return places;
}

}  // namespace

DeviceBatch::DeviceBatch(const PackedBatch& batch, const DeviceBatchOptions& options, at::Device device) {
  Upload upload;
  add_to(upload, batch, options, {});
  upload.send(device);
  divide(options);
}

void DeviceBatch::add_to(Upload& upload, const PackedBatch& batch, const DeviceBatchOptions& options,
                         const BatchSize& size) {
  examples_ = batch.examples();
  const int64_t tokens = std::max(batch.token_count(), size.tokens);
  // Every forward is a run of copies of the same rows: what does not name the pass is sent for the most
  // copies that one of them has, and the others take the beginning of it.
  int64_t passes = 0;
  most_.copies = 0;
  for (const ForwardLayout& forward : options.forwards) {
    most_.copies = std::max(most_.copies, forward.copies());
    passes = std::max(passes, forward.first_pass + forward.copies());
  }
  most_.longest = std::max(batch.longest(), size.longest);
  std::vector<int32_t> example_ids, positions;
  for (int64_t b = 0; b < examples_; ++b) {
    const int32_t length =
        batch.sequence_starts[static_cast<size_t>(b) + 1] - batch.sequence_starts[static_cast<size_t>(b)];
    for (int32_t position = 0; position < length; ++position) {
      example_ids.push_back(batch.example_ids[static_cast<size_t>(b)]);
      positions.push_back(position);
    }
  }
  std::vector<int64_t> ends;
  for (int64_t copy = 0; copy < most_.copies; ++copy)
    for (size_t b = 0; b + 1 < batch.sequence_starts.size(); ++b) {
      most_.starts.push_back(copy * tokens + batch.sequence_starts[b]);
      ends.push_back(copy * tokens + batch.sequence_starts[b + 1]);
    }
  most_.starts.push_back(most_.copies * tokens);

  const auto with_filler = [&](std::vector<int32_t> rows) {
    rows.resize(static_cast<size_t>(tokens), 0);
    return rows;
  };
  const auto add_copies = [&](std::vector<int32_t> of_one, at::Tensor& target) {
    const size_t count = of_one.size() * static_cast<size_t>(most_.copies);
    upload.add<int32_t>(count, target, [of_one = std::move(of_one), copies = most_.copies](int32_t* to) {
      for (int64_t copy = 0; copy < copies; ++copy) to = std::copy(of_one.begin(), of_one.end(), to);
    });
  };
  const auto add_passes = [&](int64_t rows, at::Tensor& target) {
    upload.add<int32_t>(static_cast<size_t>(rows * passes), target, [rows, passes](int32_t* to) {
      for (int64_t pass = 0; pass < passes; ++pass) to = std::fill_n(to, rows, static_cast<int32_t>(pass));
    });
  };
  upload.add<int64_t>(static_cast<size_t>(tokens), tokens_, [&batch, &options, tokens](int64_t* to) {
    int64_t* const end = to + tokens;
    std::fill(std::copy(batch.tokens.begin(), batch.tokens.end(), to), end, options.padding_id);
  });
  upload.add<int64_t>(most_.starts, most_.starts_index);
  upload.add<int64_t>(ends.size(), most_.last_tokens, [ends](int64_t* to) {
    std::transform(ends.begin(), ends.end(), to, [](int64_t end) { return end - 1; });
  });
  upload.add(std::move(ends), most_.ends_index);
  add_copies(with_filler(std::move(example_ids)), most_.token_rows.example_ids);
  add_copies(with_filler(positions), most_.token_rows.positions);
  add_passes(tokens, most_.token_rows.passes);
  add_copies(batch.example_ids, most_.sequence_rows.example_ids);
  add_copies(std::vector<int32_t>(batch.example_ids.size(), 0), most_.sequence_rows.positions);
  add_passes(examples_, most_.sequence_rows.passes);
  if (options.indices.encoder) {
    add_segments(upload, positions, most_.longest, {size.tokens, examples_}, most_.by_position);
    if (!batch.token_types.empty()) {
      const std::vector<int32_t> types(batch.token_types.begin(), batch.token_types.end());
      add_copies(with_filler(types), most_.token_types);
      const int64_t highest = *std::max_element(types.begin(), types.end());
      add_segments(upload, types, std::max(1 + highest, size.token_types), {size.tokens, tokens},
                   most_.by_token_type);
    }
    if (options.indices.padded_attention) {
      std::vector<int64_t> cells;
      for (size_t s = 0; s + 1 < most_.starts.size(); ++s)
        for (int64_t t = 0; t < most_.starts[s + 1] - most_.starts[s]; ++t)
          cells.push_back(static_cast<int64_t>(s) * most_.longest + t);
      upload.add(std::move(cells), most_.padded_cells);
    }
    if (options.indices.torch_attention) {
      std::vector<int32_t> numbers(most_.starts.size());
      std::iota(numbers.begin(), numbers.end(), 0);
      upload.add(std::vector<int32_t>(most_.starts.begin(), most_.starts.end()), most_.starts_32.of_tokens);
      upload.add(std::move(numbers), most_.starts_32.of_first_tokens);
    }
  }
  forwards_.resize(options.forwards.size());
  for (size_t i = 0; i < forwards_.size(); ++i) {
    ForwardRows& rows = forwards_[i];
    rows.copies = options.forwards[i].copies();
    rows.sequences = rows.copies * examples_;
    rows.tokens = rows.copies * tokens;
    rows.starts.assign(most_.starts.begin(), most_.starts.begin() + rows.sequences + 1);
    rows.longest = most_.longest;
    if (options.indices.time_major) add_time_major(upload, rows, rows.time_major);
  }
}

void DeviceBatch::add_training(Upload& upload, const PackedBatch& batch, const DeviceBatchOptions& options,
                               const BatchSize& size, const std::vector<int32_t>& slots,
                               int64_t vocabulary_size) {
  const auto tokens = static_cast<size_t>(std::max(batch.token_count(), size.tokens));
  upload.add<int64_t>(tokens, slots_.index, [&slots, vocabulary_size, tokens](int64_t* to) {
    int64_t* const end = to + tokens;
    to = std::transform(slots.begin(), slots.end(), to,
                        [&](int32_t slot) { return slot < 0 ? vocabulary_size : int64_t{slot}; });
    std::fill(to, end, vocabulary_size);
  });
  // Some token stands in every example; few stand in each twice.
  add_segments(upload, slots, vocabulary_size, {size.tokens, 2 * examples_}, slots_.by_slot);
  if (!options.label_values)
    upload.add<int64_t>(batch.class_labels, labels_);
  else if (*options.label_values == at::kDouble)
    upload.add<double>(batch.label_values, labels_);
  else
    upload.add<float>(batch.label_values, labels_);
  if (!options.by_example) return;
  std::vector<int32_t> example_of_token;
  for (int64_t b = 0; b < examples_; ++b)
    example_of_token.resize(static_cast<size_t>(batch.sequence_starts[static_cast<size_t>(b) + 1]),
                            static_cast<int32_t>(b));
  add_segments(upload, example_of_token, examples_, {size.tokens, size.longest}, by_example_);
  example_of_token.resize(tokens, 0);
  upload.add(std::vector<int64_t>(example_of_token.begin(), example_of_token.end()), example_of_token_);
  if (!options.spared_tokens.empty()) upload.add(places_of(options.spared_tokens, batch.tokens), spared_);
}

/// Gives each forward its part of what was sent for all.
void DeviceBatch::divide(const DeviceBatchOptions& options) {
  const int64_t tokens = tokens_.size(0);
  for (size_t i = 0; i < forwards_.size(); ++i) {
    ForwardRows& rows = forwards_[i];
    const int64_t first_pass = options.forwards[i].first_pass;
    const auto beginning = [](const at::Tensor& values, int64_t count) {
      return values.defined() ? values.narrow(0, 0, count) : values;
    };
    const auto mask_rows = [&](const MaskRows& all, int64_t of_pass, int64_t count) -> MaskRows {
      return {beginning(all.example_ids, count), beginning(all.positions, count),
              all.passes.narrow(0, first_pass * of_pass, count)};
    };
    rows.starts_index = beginning(most_.starts_index, rows.sequences + 1);
    rows.ends_index = beginning(most_.ends_index, rows.sequences);
    rows.first_tokens = beginning(most_.starts_index, rows.sequences);
    rows.last_tokens = beginning(most_.last_tokens, rows.sequences);
    rows.token_rows = mask_rows(most_.token_rows, tokens, rows.tokens);
    rows.sequence_rows = mask_rows(most_.sequence_rows, examples_, rows.sequences);
    rows.token_types = beginning(most_.token_types, rows.tokens);
    rows.padded_cells = beginning(most_.padded_cells, rows.tokens);
    rows.starts_32 = {beginning(most_.starts_32.of_tokens, rows.sequences + 1),
                      beginning(most_.starts_32.of_first_tokens, rows.sequences + 1)};
    rows.by_position = most_.by_position;
    rows.by_token_type = most_.by_token_type;
  }
}

DeviceStep::DeviceStep(const std::vector<PackedBatch>& batches, const StepScalars& scalars,
                       const DeviceBatchOptions& options, std::vector<int32_t>& scratch, at::Device device,
                       const at::Tensor& memory)
    : scalars_(scalars) {
  std::vector<int64_t> distinct;
  const auto slots = slots_of(batches, options.padding_id, scratch, distinct);
  scalars_.distinct_tokens = static_cast<double>(distinct.size());
  if (!options.sizes.empty()) {
    size_t tokens = 0;
    for (const BatchSize& size : options.sizes) tokens += static_cast<size_t>(size.tokens);
    distinct.resize(tokens, options.padding_id);
    vocabulary_.has_filler = true;
  }
  vocabulary_.size = static_cast<int64_t>(distinct.size());
  Upload upload;
  if (!options.spared_tokens.empty())
    upload.add(places_of(options.spared_tokens, distinct), vocabulary_.spared);
  upload.add(std::move(distinct), vocabulary_.distinct_index);
  upload.add<uint8_t>(sizeof(StepScalars), device_scalars_,
                      [this](uint8_t* to) { std::memcpy(to, &scalars_, sizeof(StepScalars)); });
  batches_.reserve(batches.size());  // the upload holds addresses of its tensors
  for (size_t m = 0; m < batches.size(); ++m) {
    DeviceBatch& batch = batches_.emplace_back(DeviceBatch());
    const BatchSize size = options.sizes.empty() ? BatchSize{} : options.sizes[m];
    batch.add_to(upload, batches[m], options, size);
    batch.add_training(upload, batches[m], options, size, slots[m], vocabulary_.size);
  }
  memory_ = upload.send(device, memory);
  for (DeviceBatch& batch : batches_) batch.divide(options);
}

at::Tensor DeviceStep::scalar(size_t offset, at::ScalarType type) const {
  const auto size = static_cast<int64_t>(c10::elementSize(type));
  return device_scalars_.narrow(0, static_cast<int64_t>(offset), size).view(type).squeeze(0);
}

}  // namespace rat
