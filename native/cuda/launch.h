// What every kernel launch here shares: one-dimensional grids on the current stream, checked after the
// launch.
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
