// The devices that this build can use.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
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

/// Of LibTorch's allocator on a CUDA device; 0 on the CPU.
struct DeviceMemory {
  int64_t held_at_most = 0;  // since the process began, what waits to be used again included
  int64_t used = 0, used_at_most = 0;
  int64_t limit = 0;  // the card's memory, or less of it
};
DeviceMemory device_memory(at::Device device);

/// What this process may take of a CUDA device's memory beside what it holds; none: all. For tests.
void limit_device_memory(at::Device device, std::optional<int64_t> more);

/// Of a CUDA device, 10 times the major version plus the minor one; 0 on the CPU.
int compute_capability(at::Device device);

/// What a CUDA device can do for matrix products of this type, FLOP/s, on paper; 0 on the CPU.
double product_rate(at::Device device, at::ScalarType type, bool tf32);

/// `cpu`, `cuda` or `cuda:N` (`cuda-sim:N` where devices are simulated); ERR_RAT_DEVICE says what is missing
/// when it cannot be had.
at::Device parse_device(const std::string& name);

}  // namespace rat
