// One thread a Philox block, as dropout's masks: up to four neighbouring elements of a row.
#include "core/kernels.h"
#include "core/step_scalars.h"
#include "cuda/launch.h"
#include "objective/noise.h"

namespace rat::cuda {
namespace {

__global__ void fill_noise(const int32_t* ids, const int32_t* positions, int64_t rows, int64_t width,
                           int64_t blocks_per_row, const StepScalars* scalars, Noise noise, double* out) {
  const uint32_t step = scalars->step;
  const PhiloxKey key = scalars->ascent_key;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * blocks_per_row;
       i += stride) {
    const int64_t row = i / blocks_per_row;
    const int64_t first = positions[row] * width;
    const int64_t block = first / 4 + i % blocks_per_row;
    const PhiloxBlock bits =
        philox4x32_10({{step, static_cast<uint32_t>(ids[row]), 0, static_cast<uint32_t>(block)}}, key);
#pragma unroll
    for (int lane = 0; lane < 4; ++lane) {
      const int64_t channel = block * 4 + lane - first;
      if (channel >= 0 && channel < width) out[row * width + channel] = noise_of(bits.v, lane, noise);
    }
  }
}

}  // namespace

at::Tensor noise(const at::Tensor& ids, const at::Tensor& positions, int64_t width, const at::Tensor& scalars,
                 Noise noise) {
  at::Tensor out = at::empty({ids.size(0), width}, ids.options().dtype(at::kDouble));
  // Where rows do not all start at a block, one can touch one block more.
  const int64_t blocks_per_row = (width + 3) / 4 + (width % 4 != 0);
  RAT_LAUNCH(fill_noise, blocks_for(ids.size(0) * blocks_per_row), kThreads, ids.const_data_ptr<int32_t>(),
             positions.const_data_ptr<int32_t>(), ids.size(0), width, blocks_per_row,
             static_cast<const StepScalars*>(scalars.const_data_ptr()), noise, out.data_ptr<double>());
  return out;
}

}  // namespace rat::cuda
