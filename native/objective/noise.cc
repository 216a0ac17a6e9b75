#include "objective/noise.h"

#include <ATen/Parallel.h>

#include "core/kernels.h"
#include "core/step_scalars.h"

namespace rat {

at::Tensor cpu::noise(const at::Tensor& ids, const at::Tensor& positions, int64_t width,
                      const at::Tensor& scalars, Noise noise) {
  const auto& step = *static_cast<const StepScalars*>(static_cast<const void*>(scalars.const_data_ptr()));
  at::Tensor out = at::empty({ids.size(0), width}, at::kDouble);
  const auto* id = ids.const_data_ptr<int32_t>();
  const auto* position = positions.const_data_ptr<int32_t>();
  auto* value = out.data_ptr<double>();
  at::parallel_for(0, ids.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = position[row] * width;
      for (int64_t block = first / 4; block * 4 < first + width; ++block) {
        const PhiloxBlock bits = philox4x32_10(
            {{step.step, static_cast<uint32_t>(id[row]), 0, static_cast<uint32_t>(block)}}, step.ascent_key);
        for (int lane = 0; lane < 4; ++lane) {
          const int64_t channel = block * 4 + lane - first;
          if (channel >= 0 && channel < width) value[row * width + channel] = noise_of(bits, lane, noise);
        }
      }
    }
  });
  return out;
}

}  // namespace rat
