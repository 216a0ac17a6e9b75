// CUDA side of core/device.h. Does not depend on a driver being there.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device.h"

namespace rat::cuda {

/// Empty without a driver or a device.
std::vector<DeviceInfo> devices();

/// Most memory that LibTorch's allocator has held on the device since the process began.
int64_t peak_memory_bytes(int device);

/// 80 for 8.0.
int compute_capability(int device);

}  // namespace rat::cuda
