// CUDA side of core/device_graph.h.
#pragma once

#include <memory>

#include "core/device_graph.h"

namespace rat::cuda {

std::unique_ptr<DeviceGraph> make_device_graph(DeviceGraph* shares_memory_with);
void use_own_stream(int device);

}  // namespace rat::cuda
