// The CUDA devices of this machine, without a dependency on a driver being there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rat::cuda {

struct DeviceInfo {
  std::string name;
  int64_t memory_bytes;
  std::string capability;  // as 9.0
};

/// Empty without a driver or a device.
std::vector<DeviceInfo> devices();

/// Most memory that LibTorch's allocator has held on the device since the process began.
int64_t peak_memory_bytes(int device);

}  // namespace rat::cuda
