#include "objective/noise.h"

#include <vector>

#include "core/kernels.h"
#include "core/lanes.h"
#include "core/step_scalars.h"

namespace rat {

namespace {

constexpr int64_t kNoiseRowsOfPart = 64;  // longer work than to wake a thread

}  // namespace

at::Tensor cpu::noise(const at::Tensor& ids, const at::Tensor& positions, int64_t width,
                      const at::Tensor& scalars, Noise noise) {
  const auto& step = *static_cast<const StepScalars*>(static_cast<const void*>(scalars.const_data_ptr()));
  at::Tensor out = at::empty({ids.size(0), width}, at::kDouble);
  const auto* id = ids.const_data_ptr<int32_t>();
  const auto* position = positions.const_data_ptr<int32_t>();
  auto* value = out.data_ptr<double>();
  in_parallel(ids.size(0), kNoiseRowsOfPart, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> bits(static_cast<size_t>(width + 8));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = position[row] * width;
      const int64_t lead = first % 4;
      philox_fill(bits.data(), (lead + width + 3) / 4, step.step, static_cast<uint32_t>(id[row]), 0,
                  static_cast<uint32_t>(first / 4), step.ascent_key);
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = lead + i;
        value[row * width + i] = noise_of(bits.data() + at / 4 * 4, static_cast<int>(at % 4), noise);
      }
    }
  });
  return out;
}

}  // namespace rat
