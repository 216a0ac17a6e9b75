// Reductions over a block in a fixed order: the same inputs give the same bits.
#pragma once

#include "cuda/launch.h"

namespace rat::cuda {

/// Sum over the block, the same for every thread. `scratch` has one entry a thread.
__device__ inline double block_sum(double value, double* scratch) {
  __syncthreads();  // the scratch of the previous sum is still being read until here
  scratch[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
    __syncthreads();
  }
  return scratch[0];
}

__device__ inline double block_max(double value, double* scratch) {
  __syncthreads();
  scratch[threadIdx.x] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      const double other = scratch[threadIdx.x + half];
      // A NaN must win, as on the CPU.
      if (!(other <= scratch[threadIdx.x])) scratch[threadIdx.x] = other;
    }
    __syncthreads();
  }
  return scratch[0];
}

/// Sum over the 32 lanes of a warp, the same for every lane. All lanes must take part.
template <typename scalar_t>
__device__ scalar_t warp_sum(scalar_t value) {
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(~0u, value, bits);
  return value;
}

template <typename scalar_t>
__device__ scalar_t warp_max(scalar_t value) {
  for (int bits = 16; bits > 0; bits /= 2) {
    const scalar_t other = __shfl_xor_sync(~0u, value, bits);
    if (other > value) value = other;
  }
  return value;
}

}  // namespace rat::cuda
