// Streams, and what is recorded of them.
#include "device/graph.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

namespace gpu_sim {
namespace {

thread_local std::array<int64_t, kDevices> streams{};
thread_local bool replaying = false;

struct Recording {
  Graph* graph;
  int64_t pool, stream;
  std::unordered_map<void*, std::vector<char>> before;  // by address
};

struct Recordings {
  std::mutex mutex;
  std::array<std::vector<Recording>, kDevices> of_device;

  /// Null: the calling thread's stream is not recorded.
  Recording* current() {
    const auto device = static_cast<size_t>(current_device());
    for (Recording& each : of_device[device])
      if (each.stream == streams[device]) return &each;
    return nullptr;
  }
};
Recordings& recordings() {
  static auto* const one = new Recordings;
  return *one;
}

int64_t next_number() {
  static std::atomic<int64_t> last{0};
  return ++last;
}

}  // namespace

int64_t current_stream(int device) { return streams[static_cast<size_t>(device)]; }
void set_current_stream(int device, int64_t stream) { streams[static_cast<size_t>(device)] = stream; }
int64_t new_stream() { return next_number(); }
int64_t new_pool() { return next_number(); }

Graph* recording() {
  const std::lock_guard lock(recordings().mutex);
  const Recording* current = recordings().current();
  return current ? current->graph : nullptr;
}

int64_t current_pool() {
  const std::lock_guard lock(recordings().mutex);
  const Recording* current = recordings().current();
  return current ? current->pool : 0;
}

bool is_replaying() { return replaying; }

void require_recordable(Event event, const std::string& what) {
  const bool needs_host = event == Event::kHostToDevice || event == Event::kHostToDeviceBlocking ||
                          event == Event::kDeviceToHost || event == Event::kHostSync;
  TORCH_CHECK(!needs_host || recording() == nullptr,
              "CUDA error: operation not permitted when stream is capturing: ", what);
}

void begin_recording(Graph& graph, int64_t pool) {
  const int device = current_device();
  const int64_t stream = current_stream(device);
  TORCH_CHECK(stream != 0, "CUDA graphs must be captured on a non-default stream.");
  TORCH_CHECK(std::getenv("RAT_GPU_SIM_NO_GRAPHS") == nullptr, "RAT_GPU_SIM_NO_GRAPHS is set");
  Recording started{&graph, pool, stream, {}};
  for_each_block(device, stream, [&](void* at, size_t bytes) {
    const char* stored = alias(static_cast<const char*>(at));
    started.before[at].assign(stored, stored + bytes);
  });
  const std::lock_guard lock(recordings().mutex);
  recordings().of_device[static_cast<size_t>(device)].push_back(std::move(started));
}

void end_recording() {
  const int device = current_device();
  Recording ended;
  {
    const std::lock_guard lock(recordings().mutex);
    Recording* current = recordings().current();
    TORCH_CHECK(current != nullptr, "CUDA error: the stream is not capturing");
    auto& all = recordings().of_device[static_cast<size_t>(device)];
    ended = std::move(*current);
    all.erase(all.begin() + (current - all.data()));
  }
  for_each_block(device, ended.stream, [&](void* at, size_t bytes) {
    const auto found = ended.before.find(at);
    if (found != ended.before.end() && found->second.size() == bytes)
      std::memcpy(alias(at), found->second.data(), bytes);
  });
}

void replay(const Graph& graph) {
  TORCH_CHECK(!graph.launches.empty(), "Called CUDAGraph::replay without a preceding successful capture.");
  count(Event::kGraph, "replay", static_cast<int64_t>(graph.launches.size()));
  replaying = true;
  for (const auto& launch : graph.launches) launch();
  replaying = false;
}

}  // namespace gpu_sim
