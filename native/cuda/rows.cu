// CUDA side of layers/rows.h.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/launch.h"
#include "layers/rows.h"

namespace rat::cuda {
namespace {

constexpr int kColumns = 32;         // of a block: neighbouring threads read neighbouring columns
constexpr int64_t kRowsPerLane = 8;  // fewer rows are not worth another lane

// One block a segment and 32 columns. Its lanes take the rows in turn, and their sums are added in the order
// of the lanes: no atomics, so the same inputs give the same bits.
template <typename scalar_t>
__global__ void add_rows(const scalar_t* x, const int32_t* starts, const int32_t* rows, int64_t copies,
                         int64_t rows_of_copy, int64_t width, scalar_t* sums) {
  RAT_SHARED(scalar_t, scratch, 1024);
  const int64_t segment = blockIdx.x, column = static_cast<int64_t>(blockIdx.y) * kColumns + threadIdx.x;
  const int64_t begin = starts[segment], count = starts[segment + 1] - begin;
  scalar_t sum = 0;
  if (column < width)
    for (int64_t i = threadIdx.y; i < copies * count; i += blockDim.y)
      sum += x[(i / count * rows_of_copy + rows[begin + i % count]) * width + column];
  scratch[threadIdx.y * kColumns + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= width) return;
  scalar_t total = sums[segment * width + column];
  for (unsigned lane = 0; lane < blockDim.y; ++lane) total += scratch[lane * kColumns + threadIdx.x];
  sums[segment * width + column] = total;
}

}  // namespace

void add_segments(const at::Tensor& x, const Segments& segments, int64_t copies, at::Tensor& sums) {
  const int64_t width = x.size(1);
  if (segments.count == 0 || width == 0) return;
  unsigned lanes = 1;
  while (lanes < 1024 / kColumns && lanes * kRowsPerLane < copies * segments.longest) lanes *= 2;
  const dim3 blocks(static_cast<unsigned>(segments.count),
                    static_cast<unsigned>((width + kColumns - 1) / kColumns));
  const dim3 threads(kColumns, lanes);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "add_segments", [&] {
    RAT_LAUNCH(add_rows<scalar_t>, blocks, threads, x.const_data_ptr<scalar_t>(),
               segments.starts.const_data_ptr<int32_t>(), segments.rows.const_data_ptr<int32_t>(), copies,
               x.size(0) / copies, width, sums.data_ptr<scalar_t>());
  });
}

}  // namespace rat::cuda
