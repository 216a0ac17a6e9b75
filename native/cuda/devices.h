// CUDA side of core/device.h. Does not depend on a driver being there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/device.h"

namespace rat::cuda {

/// Empty without a driver or a device.
std::vector<DeviceInfo> devices();

DeviceMemory device_memory(int device);
void limit_device_memory(int device, std::optional<int64_t> more);

/// 80 for 8.0.
int compute_capability(int device);

double product_rate(int device, at::ScalarType type, bool tf32);

}  // namespace rat::cuda
