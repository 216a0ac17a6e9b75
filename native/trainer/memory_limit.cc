#include "trainer/memory_limit.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/check.h"
#include "core/device.h"

namespace rat {
namespace {

const PackedBatch& largest(std::span<const PackedBatch> batches) {
  return *std::max_element(batches.begin(), batches.end(), [](const PackedBatch& a, const PackedBatch& b) {
    return a.token_count() < b.token_count();
  });
}

/// As 1.5 GB, or 12 MB.
std::string size_of(int64_t bytes) {
  std::ostringstream text;
  text.precision(3);
  if (bytes >= 1'000'000'000)
    text << static_cast<double>(bytes) / 1e9 << " GB";
  else
    text << std::round(static_cast<double>(bytes) / 1e6) << " MB";
  return text.str();
}

}  // namespace

/// The most that was ever used is that of the batch with the most tokens.
void MemoryLimit::learn(std::span<const PackedBatch> batches, int64_t resting) {
  const int64_t tokens = largest(batches).token_count();
  if (tokens <= most_tokens_) return;
  most_tokens_ = tokens;
  const auto taken = static_cast<double>(device_memory(device_).used_at_most - resting);
  bytes_of_token_ = std::max(0.0, taken / static_cast<double>(tokens));
}

void MemoryLimit::explain(std::span<const PackedBatch> batches, int64_t resting) const {
  const PackedBatch& batch = largest(batches);
  const DeviceMemory memory = device_memory(device_);
  const int64_t tokens = batch.token_count(), examples = batch.examples();
  std::ostringstream text;
  text << "Out of memory on " << device_.str() << ", of which " << size_of(memory.limit)
       << " can be had: " << what_ << " of " << examples << " examples with " << tokens
       << " tokens, the longest of " << batch.longest();
  if (batches.size() > 1) text << " (the largest of " << batches.size() << " parts)";
  text << ", does not fit beside " << size_of(resting) << " of weights and moments. ";
  int64_t fitting = tokens / 2;
  if (bytes_of_token_ > 0) {
    const auto room = static_cast<double>(memory.limit - resting);
    fitting = std::min(tokens - 1, std::max(most_tokens_, static_cast<int64_t>(room / bytes_of_token_)));
    text << "By what a token took so far, about " << fitting << " tokens would fit";
  } else {
    text << "Half of it may fit";
  }
  const int64_t parts = examples * fitting / std::max<int64_t>(tokens, 1);
  if (parts > 0)
    text << ": try a `microBatchSize` of " << parts << ", or a smaller `maxLength`";
  else
    text << ": try a smaller `maxLength`";
  fail("ERR_RAT_DEVICE_OOM", text.str());
}

}  // namespace rat
