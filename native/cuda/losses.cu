// One block an example: the supervised loss of K forwards, the consistency of their pairs, and the gradient of both, in
// one kernel. In double like the CPU's: B * C is small. The sums over the batch are made by a
// second, single-block kernel in a fixed order, so that the same inputs give the same bits.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "objective/losses.h"

namespace rat::cuda {
namespace {

constexpr int kLossThreads = 128;

/// What one launch has in common.
struct Shape {
  int64_t forwards, batch, classes;
  LossScales scales;
  double kl_weight;
  double label_smoothing;
  double class_weight_sum;

  /// What the supervised loss of forward `k` counts.
  __device__ double supervised(int64_t k) const {
    return k < scales.supervised_forwards ? scales.supervised : 0;
  }
};

/// log_p `[forwards * B, C]` is working space. sums `[2, B]`.
template <typename Formula, typename scalar_t>
__global__ void classification(const scalar_t* logits, const int64_t* labels, const double* class_weights,
                               Shape shape, double* log_p, double* gradient, double* sums) {
  RAT_SHARED(double, scratch, kLossThreads);
  const int64_t b = blockIdx.x, classes = shape.classes;
  const ClassTarget target =
      ClassTarget::of(labels[b], classes, shape.label_smoothing, class_weights, shape.class_weight_sum);
  double supervised = 0, consistency = 0;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    const int64_t row = (k * shape.batch + b) * classes;
    double highest = -INFINITY;
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
      const double z = logits[row + c];
      if (!(z <= highest)) highest = z;
    }
    highest = block_max(highest, scratch);
    double total = 0;
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) total += exp(logits[row + c] - highest);
    const double log_total = log(block_sum(total, scratch));
    double spread = 0;
    for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
      const double value = logits[row + c] - highest - log_total;
      log_p[row + c] = value;
      gradient[row + c] = shape.supervised(k) * CrossEntropy::gradient(target, exp(value), c);
      if (target.spread > 0) spread += CrossEntropy::spread(target, value, c);
    }
    double value = CrossEntropy::kept(target, logits[row + labels[b]] - highest - log_total);
    if (target.spread > 0) value += block_sum(spread, scratch);
    supervised += shape.supervised(k) * value;
  }
  for (int64_t i = 0; i < shape.forwards; ++i)
    for (int64_t j = i + 1; j < shape.forwards; ++j) {
      const int64_t row_i = (i * shape.batch + b) * classes, row_j = (j * shape.batch + b) * classes;
      double of_pair[Formula::kSums] = {};
      for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
        const double log_i = log_p[row_i + c], log_j = log_p[row_j + c];
        Formula::add(of_pair, {log_i, log_j, exp(log_i), exp(log_j), static_cast<double>(classes)});
      }
      for (double& sum : of_pair) sum = block_sum(sum, scratch);
      consistency += shape.scales.consistency * Formula::value(of_pair);
      const double scale = shape.kl_weight * shape.scales.consistency;
      for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
        const double log_i = log_p[row_i + c], log_j = log_p[row_j + c];
        const PairGradient d =
            Formula::gradient(of_pair, {log_i, log_j, exp(log_i), exp(log_j), static_cast<double>(classes)});
        gradient[row_i + c] += scale * d.i;
        gradient[row_j + c] += scale * d.j;
      }
    }
  if (threadIdx.x == 0) {
    sums[b] = supervised;
    sums[shape.batch + b] = consistency;
  }
}

/// One block an example, one thread a label: each label is a classification of its own, into not and yes.
template <typename Formula, typename scalar_t>
__global__ void label_sets(const scalar_t* logits, const scalar_t* labels, Shape shape, double* gradient,
                           double* sums) {
  RAT_SHARED(double, scratch, kLossThreads);
  const int64_t b = blockIdx.x, classes = shape.classes;
  const double share = 1 / static_cast<double>(classes);
  const double scale = shape.kl_weight * shape.scales.consistency * share;
  double supervised = 0, consistency = 0;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    const double y = labels[b * classes + c];
    const auto place = [&](int64_t k) { return (k * shape.batch + b) * classes + c; };
    for (int64_t k = 0; k < shape.forwards; ++k) {
      const Bernoulli label = Bernoulli::of(logits[place(k)]);
      const double weight = shape.supervised(k) * share;
      supervised += weight * label.loss(y);
      gradient[place(k)] = weight * label.gradient(y);
    }
    for (int64_t i = 0; i < shape.forwards; ++i)
      for (int64_t j = i + 1; j < shape.forwards; ++j) {
        const Bernoulli of_i = Bernoulli::of(logits[place(i)]), of_j = Bernoulli::of(logits[place(j)]);
        const ClassPair yes{of_i.log_p, of_j.log_p, of_i.p, of_j.p, 2};
        double of_pair[Formula::kSums] = {};
        Formula::add(of_pair, {of_i.log_not, of_j.log_not, of_i.p_not, of_j.p_not, 2});
        Formula::add(of_pair, yes);
        consistency += shape.scales.consistency * share * Formula::value(of_pair);
        const PairGradient d = Formula::gradient(of_pair, yes);
        gradient[place(i)] += scale * d.i;
        gradient[place(j)] += scale * d.j;
      }
  }
  supervised = block_sum(supervised, scratch);
  consistency = block_sum(consistency, scratch);
  if (threadIdx.x == 0) {
    sums[b] = supervised;
    sums[shape.batch + b] = consistency;
  }
}

/// One thread an example.
template <typename scalar_t>
__global__ void regression(const scalar_t* outputs, const scalar_t* scores, Shape shape, double* gradient,
                           double* sums) {
  const int64_t b = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, batch = shape.batch;
  if (b >= batch) return;
  double supervised = 0, consistency = 0;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    const double y = outputs[k * batch + b], score = scores[b];
    supervised += shape.supervised(k) * SquaredError::value(y, score);
    gradient[k * batch + b] = shape.supervised(k) * SquaredError::gradient(y, score);
  }
  for (int64_t i = 0; i < shape.forwards; ++i)
    for (int64_t j = i + 1; j < shape.forwards; ++j) {
      const double y_i = outputs[i * batch + b], y_j = outputs[j * batch + b];
      consistency += shape.scales.consistency * SquaredDifference::value(y_i, y_j);
      const double scale = shape.kl_weight * shape.scales.consistency;
      const PairGradient d = SquaredDifference::gradient(y_i, y_j);
      gradient[i * batch + b] += scale * d.i;
      gradient[j * batch + b] += scale * d.j;
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
                             const LossOptions& options, const LossScales& scales) {
  const int64_t batch = logits.size(0) / forwards;
  const bool is_weighted = options.class_weights.defined();
  const Shape shape{forwards,
                    batch,
                    logits.size(1),
                    scales,
                    options.kl_weight,
                    options.label_smoothing,
                    is_weighted ? options.class_weight_sum : static_cast<double>(logits.size(1))};
  const auto doubles = logits.options().dtype(at::kDouble);
  at::Tensor gradient = at::empty_like(logits, doubles);
  at::Tensor sums = at::empty({2, batch}, doubles);
  at::Tensor values = at::empty({2}, doubles);
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "forward_losses", [&] {
    if (options.target == Target::kScore) {
      RAT_LAUNCH(regression<scalar_t>, blocks_for(batch), kThreads, logits.const_data_ptr<scalar_t>(),
                 labels.const_data_ptr<scalar_t>(), shape, gradient.data_ptr<double>(),
                 sums.data_ptr<double>());
      return;
    }
    with_formula(options.consistency, [&](auto formula) {
      if (options.target == Target::kLabelSet) {
        constexpr auto kernel = label_sets<decltype(formula), scalar_t>;
        RAT_LAUNCH(kernel, static_cast<unsigned>(batch), kLossThreads, logits.const_data_ptr<scalar_t>(),
                   labels.const_data_ptr<scalar_t>(), shape, gradient.data_ptr<double>(),
                   sums.data_ptr<double>());
        return;
      }
      at::Tensor log_p = at::empty_like(gradient);
      constexpr auto kernel = classification<decltype(formula), scalar_t>;
      RAT_LAUNCH(kernel, static_cast<unsigned>(batch), kLossThreads, logits.const_data_ptr<scalar_t>(),
                 labels.const_data_ptr<int64_t>(),
                 is_weighted ? options.class_weights.const_data_ptr<double>() : nullptr, shape,
                 log_p.data_ptr<double>(), gradient.data_ptr<double>(), sums.data_ptr<double>());
    });
  });
  RAT_LAUNCH(sum_batch, 1, kLossThreads, sums.const_data_ptr<double>(), batch, values.data_ptr<double>());
  return {values, gradient.to(logits.scalar_type())};
}

}  // namespace rat::cuda
