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

int64_t peak_memory_bytes(int device) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  if (!allocator::get()->initialized()) return 0;
  return allocator::getDeviceStats(static_cast<c10::DeviceIndex>(device)).reserved_bytes[0].peak;
}

int compute_capability(int device) {
  int major = 0, minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return 10 * major + minor;
}

}  // namespace rat::cuda
