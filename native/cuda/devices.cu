#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>

#include "cuda/devices.h"

namespace rat::cuda {

std::vector<DeviceInfo> devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver: leave no error behind for the next call to find
    return {};
  }
  std::vector<DeviceInfo> found;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    found.push_back({properties.name, static_cast<int64_t>(properties.totalGlobalMem),
                     std::to_string(properties.major) + "." + std::to_string(properties.minor)});
  }
  return found;
}

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

int64_t limits[64] = {};  // by device; 0: none. For tests, which set it from one thread

int64_t total_bytes(int device) {
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  return static_cast<int64_t>(properties.totalGlobalMem);
}

}  // namespace

DeviceMemory device_memory(int device) {
  if (!allocator::get()->initialized()) return {};
  const auto stats = allocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
  const auto &held = stats.reserved_bytes[0], &used = stats.allocated_bytes[0];
  return {held.peak, used.current, used.peak, limits[device] > 0 ? limits[device] : total_bytes(device)};
}

void limit_device_memory(int device, std::optional<int64_t> more) {
  const auto index = static_cast<c10::DeviceIndex>(device);
  allocator::emptyCache();
  limits[device] = more ? allocator::getDeviceStats(index).reserved_bytes[0].current + *more : 0;
  const double share = static_cast<double>(limits[device]) / static_cast<double>(total_bytes(device));
  allocator::setMemoryFraction(more ? share : 1, index);
}

int compute_capability(int device) {
  int major = 0, minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return 10 * major + minor;
}

namespace {

/// Of one multiprocessor in one cycle, dense, with sums in float (NVIDIA's architecture whitepapers).
double product_rate_of_cycle(int capability, at::ScalarType type, bool tf32) {
  const bool is_large = capability == 80 || (capability >= 90 && capability < 120);  // not GeForce or RTX
  if (type == at::kDouble) return is_large ? 128 : 4;
  if (type == at::kFloat && !tf32) return capability == 80 ? 128 : 256;
  const double bf16 = !is_large ? 512 : capability == 80 ? 2048 : capability < 100 ? 4096 : 8192;
  return type == at::kFloat ? bf16 / 2 : bf16;
}

}  // namespace

double product_rate(int device, at::ScalarType type, bool tf32) {
  int multiprocessors = 0, kilohertz = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, device));
  return 1e3 * kilohertz * multiprocessors * product_rate_of_cycle(compute_capability(device), type, tf32);
}

}  // namespace rat::cuda
