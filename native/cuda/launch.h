// What every kernel launch here shares. All launches go through RAT_LAUNCH and all shared memory through
// RAT_SHARED, so that the same .cu files also compile as C++ for the simulated device of the tests.
#pragma once

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cstdint>

namespace rat::cuda {

constexpr int kThreads = 256;

/// Blocks for a grid-stride loop over `count` elements.
inline int blocks_for(int64_t count) {
  return static_cast<int>(std::clamp<int64_t>((count + kThreads - 1) / kThreads, 1, 65535));
}

inline cudaStream_t current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace rat::cuda

#ifndef RAT_LAUNCH  // the simulated device has both already

/// Launches on the current stream and checks. The one place with CUDA's launch syntax.
#define RAT_LAUNCH(kernel, blocks, threads, ...)                   \
  do {                                                             \
    kernel<<<blocks, threads, 0, current_stream()>>>(__VA_ARGS__); \
    C10_CUDA_KERNEL_LAUNCH_CHECK();                                \
  } while (false)

/// Shared memory of the block, at a multiple of 16 bytes; a kernel's first statements.
#define RAT_SHARED(type, name, count) __shared__ alignas(16) type name[count]

#endif
