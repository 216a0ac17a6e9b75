// Stands in for LibTorch's header.
#pragma once

#include <c10/core/Device.h>

#include "device/gpu_sim.h"

namespace c10::cuda {

struct CUDAStream {
  DeviceIndex device = 0;
  int64_t id = 0;
  void* stream() const { return nullptr; }
};
inline CUDAStream getCurrentCUDAStream() {
  const int device = gpu_sim::current_device();
  return {static_cast<DeviceIndex>(device), gpu_sim::current_stream(device)};
}
inline CUDAStream getStreamFromExternal(void* stream, DeviceIndex device) {
  return {device, static_cast<int64_t>(reinterpret_cast<intptr_t>(stream))};
}
inline void setCurrentCUDAStream(CUDAStream stream) { gpu_sim::set_current_stream(stream.device, stream.id); }

}  // namespace c10::cuda
