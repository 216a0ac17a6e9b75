// The devices that this build can use.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rat {

struct DeviceInfo {
  std::string name;
  int64_t memory_bytes;
  std::string capability;  // as 9.0
};

/// Whether the CUDA side was compiled, and whether its devices are simulated (npm run test:gpu-sim).
bool has_cuda();
bool is_simulated();

/// Empty in a CPU build, without a driver, without a device.
std::vector<DeviceInfo> cuda_devices();

/// Most memory that LibTorch's allocator has held on a CUDA device since the process began; 0 on the CPU.
int64_t peak_memory_bytes(at::Device device);

/// `cpu`, `cuda` or `cuda:N` (`cuda-sim:N` where devices are simulated); ERR_RAT_DEVICE says what is missing
/// when it cannot be had.
at::Device parse_device(const std::string& name);

}  // namespace rat
