// Order between streams. Everything is done at once here; what a device might do too early, or too late, is told from what its
// streams were made to wait for. Watched is memory that was copied from the host, which alone comes by another stream.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "device/graph.h"

namespace gpu_sim {
namespace {

/// What a stream had been given by some moment, and what it had waited for: ticks by stream.
using Ticks = std::map<int64_t, int64_t>;

struct Copied {
  const char* end;
  int64_t from, copied;             // the stream that copied, and its tick then
  std::map<int64_t, int64_t> used;  // ticks of the streams that used it since
  std::set<int64_t> recorded;       // streams that the allocator was told of
};

struct Order {
  std::mutex mutex;
  std::map<int64_t, Ticks> seen;  // of each stream, its own ticks too
  std::map<const char*, Copied> copied;

  Copied* holding(const void* p) {
    auto found = copied.upper_bound(static_cast<const char*>(p));
    if (found == copied.begin()) return nullptr;
    --found;
    return p < found->second.end ? &found->second : nullptr;
  }
};
Order& order() {
  static auto* const one = new Order;
  return *one;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "gpu_sim: streams out of order: %s\n", what);
  std::abort();
}

}  // namespace

void note_copy(const void* p, size_t bytes) {
  const int64_t stream = current_stream(device_of(p));
  const std::lock_guard lock(order().mutex);
  Ticks& seen = order().seen[stream];
  if (const Copied* before = order().holding(p))
    for (const auto& [user, tick] : before->used)
      if (seen[user] < tick) fail("memory is copied to that another stream may still read");
  order().copied[static_cast<const char*>(p)] = {
      static_cast<const char*>(p) + bytes, stream, ++seen[stream], {}, {}};
}

void note_use(const void* p) {
  if (p == nullptr || is_replaying() || !is_device(p)) return;
  const int64_t stream = current_stream(device_of(p));
  const std::lock_guard lock(order().mutex);
  Copied* const copied = order().holding(p);
  if (copied == nullptr) return;
  Ticks& seen = order().seen[stream];
  if (seen[copied->from] < copied->copied) fail("memory is read that another stream may still copy to");
  copied->used[stream] = ++seen[stream];
}

void note_release(const void* p, size_t bytes, int64_t allocated_by) {
  const std::lock_guard lock(order().mutex);
  auto& all = order().copied;
  const auto* begin = static_cast<const char*>(p);
  for (auto each = all.lower_bound(begin); each != all.end() && each->first < begin + bytes;) {
    for (const auto& [user, tick] : each->second.used)
      if (user != allocated_by && !each->second.recorded.count(user))
        fail("memory is given back that another stream may still read");
    each = all.erase(each);
  }
}

void note_recorded(const void* p, int64_t stream) {
  const std::lock_guard lock(order().mutex);
  if (Copied* const copied = order().holding(p)) copied->recorded.insert(stream);
}

void* recorded_event(void* event, int64_t stream) {
  const std::lock_guard lock(order().mutex);
  auto* const ticks = event ? static_cast<Ticks*>(event) : new Ticks;
  *ticks = order().seen[stream];
  return ticks;
}

void wait_for_event(void* event, int64_t stream) {
  const std::lock_guard lock(order().mutex);
  for (const auto& [other, tick] : *static_cast<const Ticks*>(event)) {
    int64_t& seen = order().seen[stream][other];
    if (seen < tick) seen = tick;
  }
}

void destroy_event(void* event) { delete static_cast<Ticks*>(event); }

}  // namespace gpu_sim
