// Stands in for the CUDA runtime's header: the little of it that host code of native/cuda/ uses.
#pragma once

#include <cstddef>
#include <cstdio>

#include "device/gpu_sim.h"

enum cudaError_t { cudaSuccess = 0 };
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor, cudaDevAttrComputeCapabilityMinor };

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = gpu_sim::kDevices;
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::snprintf(properties->name, sizeof properties->name, "simulated GPU");
  properties->totalGlobalMem = static_cast<size_t>(gpu_sim::kMemoryBytes);
  properties->major = 9;
  properties->minor = 0;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return cudaSuccess;
}
