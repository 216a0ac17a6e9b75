// The simulated GPU: memory that the host cannot touch, and what happened on it. One range of addresses is
// reserved without access: those are the device pointers. What is stored there lies `offset()` bytes further,
// which only the simulated kernels and copies know. Host code that reads a device pointer dies of SIGSEGV at
// the very instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gpu_sim {

constexpr double kMemoryBytes = double(size_t{24} << 30);
constexpr int kDevices = 2;  // two, so that a forgotten device index is seen

ptrdiff_t offset();
bool is_device(const void* p);
int device_of(const void* p);

/// Where a device pointer's bytes lie. The caller is a simulated kernel or copy.
template <typename T>
T* alias(T* p) {
  return p == nullptr
             ? p
             : reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(p) + static_cast<uintptr_t>(offset()));
}

/// Ends the process unless `p` is memory of the calling thread's device: a kernel runs there.
void require_current_device(const void* p);
int current_device();

/// Of the calling thread, by device; 0 is the one that every thread begins with. Each does at once what it is given.
int64_t current_stream(int device);
void set_current_stream(int device, int64_t stream);
int64_t new_stream();

/// What order.cc watches: the current stream copies from the host to memory, or uses it; memory is given back; the allocator is told
/// that a stream uses it; events. Each ends the process where streams were not made to wait for each other.
void note_copy(const void* p, size_t bytes);
void note_use(const void* p);
void note_release(const void* p, size_t bytes, int64_t allocated_by);
void note_recorded(const void* p, int64_t stream);
void* recorded_event(void* event, int64_t stream);
void wait_for_event(void* event, int64_t stream);
void destroy_event(void* event);

/// Null if it would be more than the limit in all.
void* allocate(size_t bytes, int device);
void limit_bytes(int device, size_t bytes);
void release(void* p);
/// Host memory that the device can copy from while the host goes on.
void* allocate_pinned(size_t bytes);
void release_pinned(void* p);
bool is_pinned(const void* p);
int64_t bytes_in_use(int device);
int64_t peak_bytes(int device);

/// A launch, a copy, a wait of the host. Logged with the caller's place when RAT_GPU_SIM_LOG names a file.
enum class Event {
  kLaunch,
  kOperator,
  kHostToDevice,
  kHostToDeviceBlocking,
  kDeviceToHost,
  kHostSync,
  kNonDeterministic,
  kGraph
};
/// Throws c10::Error for what must not be recorded.
void count(Event event, const std::string& what, int64_t bytes = 0);

/// What was launched, to be done again.
struct Graph {
  std::vector<std::function<void()>> launches;
};

/// From now on what the current stream of the current device is given also goes into `graph`, and memory that is asked for there
/// comes from `pool`, and goes back to it. It is done, as a CPU's operators cannot tell the shape of a result otherwise, but when
/// the recording ends everything that the stream had in memory is what it was.
void begin_recording(Graph& graph, int64_t pool);
void end_recording();
/// The graph that the current stream is recorded in, or null.
Graph* recording();
int64_t new_pool();
/// Does it all, as one event.
void replay(const Graph& graph);

}  // namespace gpu_sim
