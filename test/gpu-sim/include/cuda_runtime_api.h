// Stands in for the CUDA runtime's header: the little of it that host code of native/cuda/ uses.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "device/gpu_sim.h"

enum cudaError_t { cudaSuccess = 0 };
enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor,
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrClockRate  // kHz
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};

constexpr unsigned cudaStreamNonBlocking = 1;
inline cudaError_t cudaStreamCreateWithFlags(void** stream, unsigned) {
  *stream = reinterpret_cast<void*>(static_cast<intptr_t>(gpu_sim::new_stream()));
  return cudaSuccess;
}
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
  // An H100's, but for the clock of tests.
  const char* const clock = std::getenv("RAT_GPU_SIM_CLOCK");
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrClockRate:
      *value = clock ? std::atoi(clock) : 1'830'000;
  }
  return cudaSuccess;
}
