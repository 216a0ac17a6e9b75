#include <ATen/Dispatch.h>

#include "core/check.h"
#include "cuda/launch.h"
#include "cuda/perturbation.h"

namespace rat::cuda {
namespace {

constexpr int kMaxForwards = 8;

struct Radii {
  double epsilon[kMaxForwards];
};

template <typename scalar_t>
__global__ void perturb(const scalar_t* rows, const scalar_t* gradient, const double* norm,
                        const int64_t* slots, int64_t tokens, int64_t width, int64_t copies,
                        int64_t padding_slot, Radii radii, scalar_t* out) {
  const double length = *norm;
  const bool usable = isfinite(length) && length > 0;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < copies * tokens * width;
       i += stride) {
    const int64_t row = i / width, channel = i % width, t = row % tokens;
    const int64_t slot = slots[t];
    // In double: a tiny gradient's scale is beyond the range of a float, its product with the gradient is
    // not.
    const double scale = usable && slot != padding_slot ? radii.epsilon[row / tokens] / length : 0;
    out[i] = rows[t * width + channel] + static_cast<scalar_t>(scale * gradient[slot * width + channel]);
  }
}

}  // namespace

void perturbed_rows(const at::Tensor& rows, const at::Tensor& gradient, const at::Tensor& norm,
                    const at::Tensor& slots, const std::vector<double>& epsilon, at::Tensor& out) {
  RAT_CHECK(epsilon.size() <= kMaxForwards, "ERR_RAT_INTERNAL", "more forwards than ", kMaxForwards);
  Radii radii{};
  std::copy(epsilon.begin(), epsilon.end(), radii.epsilon);
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "perturbed_rows_cuda", [&] {
    perturb<scalar_t><<<blocks_for(out.numel()), kThreads, 0, current_stream()>>>(
        rows.const_data_ptr<scalar_t>(), gradient.const_data_ptr<scalar_t>(), norm.const_data_ptr<double>(),
        slots.const_data_ptr<int64_t>(), rows.size(0), rows.size(1), static_cast<int64_t>(epsilon.size()),
        gradient.size(0) - 1, radii, out.data_ptr<scalar_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
}

}  // namespace rat::cuda
