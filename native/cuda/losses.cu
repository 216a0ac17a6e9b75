// One block an example: cross-entropy of K forwards, bidirectional KL of their pairs, and the gradient of
// both, in one kernel. In double like the CPU's: B * C is small. The sums over the batch are made by a
// second, single-block kernel in a fixed order, so that the same inputs give the same bits.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "objective/losses.h"

namespace rat::cuda {
namespace {

constexpr int kLossThreads = 128;

/// log_p `[forwards * B, C]` is working space. sums `[2, B]`.
template <typename scalar_t>
__global__ void classification(const scalar_t* logits, const int64_t* labels, int64_t forwards, int64_t batch,
                               int64_t classes, double supervised_scale, double consistency_scale,
                               double kl_weight, double* log_p, double* gradient, double* sums) {
  RAT_SHARED(double, scratch, kLossThreads);
  const int64_t b = blockIdx.x;
  double supervised = 0, consistency = 0;
  for (int64_t k = 0; k < forwards; ++k) {
    const int64_t row = (k * batch + b) * classes;
    double highest = -INFINITY;
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
      const double z = logits[row + c];
      if (!(z <= highest)) highest = z;
    }
    highest = block_max(highest, scratch);
    double total = 0;
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) total += exp(logits[row + c] - highest);
    const double log_total = log(block_sum(total, scratch));
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
      const double value = logits[row + c] - highest - log_total;
      log_p[row + c] = value;
      gradient[row + c] = supervised_scale * (exp(value) - (c == labels[b] ? 1 : 0));
    }
    supervised -= supervised_scale * (logits[row + labels[b]] - highest - log_total);
  }
  for (int64_t i = 0; i < forwards; ++i)
    for (int64_t j = i + 1; j < forwards; ++j) {
      const int64_t row_i = (i * batch + b) * classes, row_j = (j * batch + b) * classes;
      double kl_ij = 0, kl_ji = 0;
      for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
        const double difference = log_p[row_i + c] - log_p[row_j + c];
        kl_ij += exp(log_p[row_i + c]) * difference;
        kl_ji -= exp(log_p[row_j + c]) * difference;
      }
      kl_ij = block_sum(kl_ij, scratch);
      kl_ji = block_sum(kl_ji, scratch);
      consistency += consistency_scale * 0.5 * (kl_ij + kl_ji);
      const double scale = kl_weight * consistency_scale * 0.5;
      for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
        const double difference = log_p[row_i + c] - log_p[row_j + c];
        const double p_i = exp(log_p[row_i + c]), p_j = exp(log_p[row_j + c]);
        gradient[row_i + c] += scale * (p_i * (difference - kl_ij) + p_i - p_j);
        gradient[row_j + c] += scale * (p_j * (-difference - kl_ji) + p_j - p_i);
      }
    }
  if (threadIdx.x == 0) {
    sums[b] = supervised;
    sums[batch + b] = consistency;
  }
}

/// One thread an example.
template <typename scalar_t>
__global__ void regression(const scalar_t* outputs, const scalar_t* scores, int64_t forwards, int64_t batch,
                           double supervised_scale, double consistency_scale, double kl_weight,
                           double* gradient, double* sums) {
  const int64_t b = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (b >= batch) return;
  double supervised = 0, consistency = 0;
  for (int64_t k = 0; k < forwards; ++k) {
    const double error = static_cast<double>(outputs[k * batch + b]) - scores[b];
    supervised += supervised_scale * error * error;
    gradient[k * batch + b] = supervised_scale * 2 * error;
  }
  for (int64_t i = 0; i < forwards; ++i)
    for (int64_t j = i + 1; j < forwards; ++j) {
      const double difference = static_cast<double>(outputs[i * batch + b]) - outputs[j * batch + b];
      consistency += consistency_scale * difference * difference;
      gradient[i * batch + b] += kl_weight * consistency_scale * 2 * difference;
      gradient[j * batch + b] -= kl_weight * consistency_scale * 2 * difference;
    }
  sums[b] = supervised;
  sums[batch + b] = consistency;
}

__global__ void sum_batch(const double* sums, int64_t batch, double* values) {
  RAT_SHARED(double, scratch, kLossThreads);
  for (int which = 0; which < 2; ++which) {
    double part = 0;
    for (int64_t b = threadIdx.x; b < batch; b += blockDim.x) part += sums[which * batch + b];
    const double total = block_sum(part, scratch);
    if (threadIdx.x == 0) values[which] = total;
  }
}

}  // namespace

ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options, double consistency_scale) {
  const int64_t batch = labels.size(0), classes = logits.size(1);
  const double supervised_scale = 1.0 / static_cast<double>(forwards * batch);
  const auto doubles = logits.options().dtype(at::kDouble);
  at::Tensor gradient = at::empty_like(logits, doubles);
  at::Tensor sums = at::empty({2, batch}, doubles);
  at::Tensor values = at::empty({2}, doubles);
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "forward_losses", [&] {
    if (options.regression) {
      RAT_LAUNCH(regression<scalar_t>, blocks_for(batch), kThreads, logits.const_data_ptr<scalar_t>(),
                 labels.const_data_ptr<scalar_t>(), forwards, batch, supervised_scale, consistency_scale,
                 options.kl_weight, gradient.data_ptr<double>(), sums.data_ptr<double>());
    } else {
      at::Tensor log_p = at::empty_like(gradient);
      RAT_LAUNCH(classification<scalar_t>, static_cast<unsigned>(batch), kLossThreads,
                 logits.const_data_ptr<scalar_t>(), labels.const_data_ptr<int64_t>(), forwards, batch,
                 classes, supervised_scale, consistency_scale, options.kl_weight, log_p.data_ptr<double>(),
                 gradient.data_ptr<double>(), sums.data_ptr<double>());
    }
  });
  RAT_LAUNCH(sum_batch, 1, kLossThreads, sums.const_data_ptr<double>(), batch, values.data_ptr<double>());
  return {values, gradient.to(logits.scalar_type())};
}

}  // namespace rat::cuda
