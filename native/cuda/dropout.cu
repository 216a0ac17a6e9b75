#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/mask.cuh"

namespace rat::cuda {
namespace {

// One thread a Philox block, that is up to four neighbouring elements of a row. A row may start
// inside a block.
template <typename scalar_t>
__global__ void apply_mask(const scalar_t* x, scalar_t* out, RowMasks masks, int64_t rows, int64_t width,
                           int64_t element_stride, int64_t blocks_per_row) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * blocks_per_row;
       i += stride) {
    const int64_t row = i / blocks_per_row;
    const MaskStream mask = masks.of(row);
    const int64_t first = masks.positions[row] * element_stride;
    const int64_t block = first / 4 + i % blocks_per_row;
    const PhiloxBlock bits = mask.block(static_cast<uint32_t>(block));
    for (int lane = 0; lane < 4; ++lane) {
      const int64_t channel = block * 4 + lane - first;
      if (channel < 0 || channel >= width) continue;
      const int64_t at = row * width + channel;
      out[at] = bits.v[lane] >= mask.threshold ? x[at] * static_cast<scalar_t>(mask.scale) : scalar_t(0);
    }
  }
}

}  // namespace

at::Tensor dropout_mask(const at::Tensor& x, const SiteMask& mask, int64_t element_stride) {
  at::Tensor out = at::empty_like(x);
  if (x.numel() == 0) return out;
  const int64_t width = x.size(1);
  // Where rows do not all start at a block, one can touch one block more.
  const int64_t blocks_per_row = (width + 3) / 4 + (element_stride % 4 != 0 || width % 4 != 0);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout_mask", [&] {
    RAT_LAUNCH(apply_mask<scalar_t>, blocks_for(x.size(0) * blocks_per_row), kThreads,
               x.const_data_ptr<scalar_t>(), out.data_ptr<scalar_t>(), masks_of(mask), x.size(0), width,
               element_stride, blocks_per_row);
  });
  return out;
}

}  // namespace rat::cuda
