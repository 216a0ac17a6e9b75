// Sums over rows, column by column, that come along with something else: a block has some rows and columns, its lanes take the
// rows in turn, and both lanes and blocks are added up in their order. No atomics: the same inputs give the same bits.
#pragma once

#include "cuda/launch.h"

namespace rat::cuda {

constexpr int kColumns = 32, kLanes = 8;  // of a block
constexpr int64_t kRowsOfPart = 128;      // that a block takes

inline int64_t parts_of(int64_t rows) { return (rows + kRowsOfPart - 1) / kRowsOfPart; }

inline dim3 blocks_of_columns(int64_t rows, int64_t width) {
  return dim3(static_cast<unsigned>(parts_of(rows)),
              static_cast<unsigned>((width + kColumns - 1) / kColumns));
}

/// Calls `add_row(row, column, sums)` for each element of the block, and leaves its kCount sums of each column in parts
/// `[parts, kCount, width]`. `scratch` has kCount numbers a thread.
template <int kCount, typename number_t, typename AddRow>
__device__ void add_columns(int64_t rows, int64_t width, number_t* scratch, number_t* parts, AddRow add_row) {
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kColumns + threadIdx.x;
  const int64_t begin = blockIdx.x * kRowsOfPart,
                end = begin + kRowsOfPart < rows ? begin + kRowsOfPart : rows;
  number_t sums[kCount] = {};
  if (column < width)
    for (int64_t row = begin + threadIdx.y; row < end; row += kLanes) add_row(row, column, sums);
#pragma unroll
  for (int k = 0; k < kCount; ++k) scratch[(k * kLanes + threadIdx.y) * kColumns + threadIdx.x] = sums[k];
  __syncthreads();
  if (threadIdx.y > 0 || column >= width) return;
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    for (int lane = 1; lane < kLanes; ++lane)
      sums[k] += scratch[(k * kLanes + lane) * kColumns + threadIdx.x];
    parts[(blockIdx.x * kCount + k) * width + column] = sums[k];
  }
}

}  // namespace rat::cuda
