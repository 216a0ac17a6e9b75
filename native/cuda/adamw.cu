// AdamW for all parameters in a launch or a few: one pass over memory, which clips, and writes the copies in bf16.
#include <ATen/Dispatch.h>
#include <c10/util/BFloat16.h>

#include "core/kernels.h"
#include "cuda/launch.h"
#include "optim/adamw_update.h"

namespace rat::cuda {
namespace {

constexpr int kMost = 40;  // parameters of a launch, whose arguments have 4 KB
constexpr int64_t kNumbersOfBlock = 16 * kThreads;

template <typename number_t>
struct Parameters {
  int count;
  number_t *values[kMost], *first[kMost], *second[kMost];
  const number_t* gradients[kMost];
  c10::BFloat16* low[kMost];  // null: there is none
  const float* counts[kMost];
  int64_t sizes[kMost];
  int64_t first_blocks[kMost];
  double weight_decays[kMost], rate_scales[kMost];

  /// The simulated device has other addresses.
  template <typename Apply>
  void for_each_pointer(Apply apply) {
    for (int k = 0; k < count; ++k) {
      apply(values[k]);
      apply(first[k]);
      apply(second[k]);
      apply(gradients[k]);
      apply(low[k]);
      apply(counts[k]);
    }
  }
};
static_assert(sizeof(Parameters<double>) < 4000);

template <typename number_t>
__global__ void __launch_bounds__(kThreads) adamw_step(Parameters<number_t> all, const double* learning_rate,
                                                       const double* gradient_scale, const float* found_inf) {
  RAT_SHARED(number_t, shared, 4);
  if (found_inf && *found_inf > 0) return;
  const auto block = static_cast<int64_t>(blockIdx.x);
  int k = 0;
  while (k + 1 < all.count && all.first_blocks[k + 1] <= block) ++k;
  if (threadIdx.x == 0) {
    const AdamWNumbers numbers(*learning_rate * all.rate_scales[k], all.weight_decays[k], *all.counts[k],
                               gradient_scale ? *gradient_scale : 1);
    shared[0] = static_cast<number_t>(numbers.kept);
    shared[1] = static_cast<number_t>(numbers.step);
    shared[2] = static_cast<number_t>(numbers.root);
    shared[3] = static_cast<number_t>(numbers.scale);
  }
  __syncthreads();
  const number_t kept = shared[0], step = shared[1], root = shared[2], scale = shared[3];
  const auto b1 = static_cast<number_t>(kBeta1), b2 = static_cast<number_t>(kBeta2),
             c1 = static_cast<number_t>(1 - kBeta1), c2 = static_cast<number_t>(1 - kBeta2),
             eps = static_cast<number_t>(kAdamEps);
  number_t *const values = all.values[k], *const first = all.first[k], *const second = all.second[k];
  const number_t* const gradients = all.gradients[k];
  c10::BFloat16* const low = all.low[k];
  const int64_t begin = (block - all.first_blocks[k]) * kNumbersOfBlock;
  const int64_t end = begin + kNumbersOfBlock < all.sizes[k] ? begin + kNumbersOfBlock : all.sizes[k];
#pragma unroll 4
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const number_t g = gradients[i] * scale;
    const number_t m = first[i] * b1 + g * c1;
    const number_t v = second[i] * b2 + g * g * c2;
    const number_t w = values[i] * kept - step * m / (std::sqrt(v) * root + eps);
    first[i] = m;
    second[i] = v;
    values[i] = w;
    if (low) low[i] = static_cast<c10::BFloat16>(static_cast<float>(w));
  }
}

template <typename number_t>
number_t* pointer_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<number_t*>(tensor.mutable_data_ptr()) : nullptr;
}

}  // namespace

void adamw(c10::ArrayRef<AdamWUpdate> updates, const UpdateScalars& scalars) {
  AT_DISPATCH_FLOATING_TYPES(updates[0].tensors.values.scalar_type(), "adamw", [&] {
    for (size_t begin = 0; begin < updates.size(); begin += kMost) {
      Parameters<scalar_t> all{};
      int64_t blocks = 0;
      for (size_t i = begin; i < std::min(updates.size(), begin + kMost); ++i) {
        const AdamWUpdate& update = updates[i];
        const int k = all.count++;
        all.values[k] = update.tensors.values.mutable_data_ptr<scalar_t>();
        all.first[k] = update.tensors.first_moment.mutable_data_ptr<scalar_t>();
        all.second[k] = update.tensors.second_moment.mutable_data_ptr<scalar_t>();
        all.gradients[k] = update.gradient.const_data_ptr<scalar_t>();
        all.low[k] = pointer_or_null<c10::BFloat16>(update.tensors.low);
        all.counts[k] = update.count.const_data_ptr<float>();
        all.sizes[k] = update.gradient.numel();
        all.first_blocks[k] = blocks;
        all.weight_decays[k] = update.weight_decay;
        all.rate_scales[k] = update.learning_rate_scale;
        blocks += (all.sizes[k] + kNumbersOfBlock - 1) / kNumbersOfBlock;
      }
      if (blocks == 0) continue;
      RAT_LAUNCH(adamw_step<scalar_t>, static_cast<unsigned>(blocks), kThreads, all,
                 scalars.device_learning_rate.const_data_ptr<double>(),
                 pointer_or_null<double>(scalars.device_gradient_scale),
                 pointer_or_null<float>(scalars.found_inf));
    }
  });
}

}  // namespace rat::cuda
