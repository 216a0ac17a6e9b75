// Stands in for LibTorch's header: what a device's memory is in use for, and its limit.
#pragma once

#include <c10/core/Device.h>

#include "device/gpu_sim.h"

namespace c10::cuda::CUDACachingAllocator {

struct Stat {
  int64_t current = 0, peak = 0;
};
struct Stats {
  Stat reserved_bytes[1], allocated_bytes[1];
};
struct Allocator {
  bool initialized() const { return true; }
};
inline Allocator* get() {
  static Allocator allocator;
  return &allocator;
}
inline Stats getDeviceStats(c10::DeviceIndex device) {
  const Stat stat{gpu_sim::bytes_in_use(device), gpu_sim::peak_bytes(device)};
  return {{stat}, {stat}};
}
inline void setMemoryFraction(double fraction, c10::DeviceIndex device) {
  gpu_sim::limit_bytes(device, static_cast<size_t>(fraction * gpu_sim::kMemoryBytes));
}
inline void emptyCache() {}

}  // namespace c10::cuda::CUDACachingAllocator
