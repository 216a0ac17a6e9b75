// CUDA side of core/device_graph.h.
#pragma once

#include <memory>

#include "core/device_graph.h"

namespace rat::cuda {

std::unique_ptr<DeviceGraph> make_device_graph(DeviceGraph* shares_memory_with);

/// Becomes the calling thread's stream on the device.
void* take_stream(int device);
void give_back_stream(int device, void* stream);

}  // namespace rat::cuda
