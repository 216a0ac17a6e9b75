// The simulated GPU: memory that the host cannot touch, and what happened on it. One range of addresses is
// reserved without access: those are the device pointers. What is stored there lies `offset()` bytes further,
// which only the simulated kernels and copies know. Host code that reads a device pointer dies of SIGSEGV at
// the very instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

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
  kNonDeterministic
};
void count(Event event, const std::string& what, int64_t bytes = 0);

}  // namespace gpu_sim
