// A warp a row: how the kernels that go along rows are laid out.
#pragma once

#include "cuda/launch.h"

namespace rat::cuda {

constexpr int kRowsOfBlock = 4;  // warps
constexpr int kRowThreads = 32 * kRowsOfBlock;

inline unsigned blocks_of_rows(int64_t rows) {
  return static_cast<unsigned>((rows + kRowsOfBlock - 1) / kRowsOfBlock);
}

__device__ inline int64_t row_of_warp() {
  return static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / 32;
}

}  // namespace rat::cuda
