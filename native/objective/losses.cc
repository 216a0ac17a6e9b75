#include "objective/losses.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/kernels.h"

namespace rat {
namespace {

/// What the consistency of one pair of one example is multiplied with.
double pair_scale(int64_t batch, int64_t classes, int64_t forwards, KlReduction reduction) {
  const double pairs = static_cast<double>(forwards * (forwards - 1)) / 2;
  switch (reduction) {
    case KlReduction::kBatchMean:
      return 1 / (pairs * static_cast<double>(batch));
    case KlReduction::kSum:
      return 1 / pairs;
    case KlReduction::kElementMean:
      return 1 / (pairs * static_cast<double>(batch * classes));
  }
  fail("ERR_RAT_INTERNAL", "unknown reduction");
}

/// All in double: B * C is small, and the difference of two log-probabilities loses digits.
struct Sums {
  double supervised = 0;
  double consistency = 0;
};

void log_softmax(const double* logits, int64_t classes, double* out) {
  double highest = logits[0];
  for (int64_t c = 1; c < classes; ++c)
    if (!(logits[c] <= highest)) highest = logits[c];
  double total = 0;
  for (int64_t c = 0; c < classes; ++c) total += std::exp(logits[c] - highest);
  const double log_total = std::log(total);
  for (int64_t c = 0; c < classes; ++c) out[c] = logits[c] - highest - log_total;
}

/// One example of a classification: `z`, `log_p` and `gradient` are `[forwards, C]`.
Sums classification_example(const double* z, int64_t label, int64_t forwards, int64_t classes,
                            double supervised_scale, double consistency_scale, double kl_weight,
                            std::vector<double>& log_p, std::vector<double>& p, double* gradient) {
  Sums sums;
  for (int64_t k = 0; k < forwards; ++k) {
    log_softmax(z + k * classes, classes, log_p.data() + k * classes);
    sums.supervised -= supervised_scale * log_p[static_cast<size_t>(k * classes + label)];
    for (int64_t c = 0; c < classes; ++c) {
      const auto at = static_cast<size_t>(k * classes + c);
      p[at] = std::exp(log_p[at]);
      gradient[at] = supervised_scale * (p[at] - (c == label ? 1 : 0));
    }
  }
  for (int64_t i = 0; i < forwards; ++i)
    for (int64_t j = i + 1; j < forwards; ++j) {
      const double *log_i = &log_p[static_cast<size_t>(i * classes)],
                   *log_j = &log_p[static_cast<size_t>(j * classes)];
      const double *p_i = &p[static_cast<size_t>(i * classes)], *p_j = &p[static_cast<size_t>(j * classes)];
      double kl_ij = 0, kl_ji = 0;
      for (int64_t c = 0; c < classes; ++c) {
        kl_ij += p_i[c] * (log_i[c] - log_j[c]);
        kl_ji += p_j[c] * (log_j[c] - log_i[c]);
      }
      sums.consistency += consistency_scale * 0.5 * (kl_ij + kl_ji);
      // dKL(q || p)/dz_p = p - q;  dKL(p || q)/dz_p = p (log p - log q - KL(p || q)).
      const double scale = kl_weight * consistency_scale * 0.5;
      for (int64_t c = 0; c < classes; ++c) {
        const double difference = log_i[c] - log_j[c];
        gradient[i * classes + c] += scale * (p_i[c] * (difference - kl_ij) + p_i[c] - p_j[c]);
        gradient[j * classes + c] += scale * (p_j[c] * (-difference - kl_ji) + p_j[c] - p_i[c]);
      }
    }
  return sums;
}

Sums regression_example(const double* y, double score, int64_t forwards, double supervised_scale,
                        double consistency_scale, double kl_weight, double* gradient) {
  Sums sums;
  for (int64_t k = 0; k < forwards; ++k) {
    sums.supervised += supervised_scale * (y[k] - score) * (y[k] - score);
    gradient[k] = supervised_scale * 2 * (y[k] - score);
  }
  for (int64_t i = 0; i < forwards; ++i)
    for (int64_t j = i + 1; j < forwards; ++j) {
      sums.consistency += consistency_scale * (y[i] - y[j]) * (y[i] - y[j]);
      const double d = kl_weight * consistency_scale * 2 * (y[i] - y[j]);
      gradient[i] += d;
      gradient[j] -= d;
    }
  return sums;
}

}  // namespace

ForwardLosses cpu::forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                                  const LossOptions& options, double consistency_scale) {
  const int64_t batch = labels.size(0);
  const int64_t classes = logits.size(1);
  const double supervised_scale = 1 / static_cast<double>(forwards * batch);
  // [B, forwards, C]: one example's forwards side by side.
  const at::Tensor by_example =
      logits.view({forwards, batch, classes}).transpose(0, 1).to(at::kDouble).contiguous();
  const at::Tensor gradient = at::empty_like(by_example);
  const at::Tensor scores = options.regression ? labels.to(at::kDouble).contiguous() : labels.contiguous();
  const auto* z = by_example.const_data_ptr<double>();
  auto* dz = gradient.data_ptr<double>();
  std::vector<Sums> sums(static_cast<size_t>(batch));
  at::parallel_for(0, batch, 8, [&](int64_t begin, int64_t end) {
    std::vector<double> log_p(static_cast<size_t>(forwards * classes)), p(log_p.size());
    for (int64_t b = begin; b < end; ++b) {
      const int64_t at = b * forwards * classes;
      sums[static_cast<size_t>(b)] =
          options.regression
              ? regression_example(z + at, scores.const_data_ptr<double>()[b], forwards, supervised_scale,
                                   consistency_scale, options.kl_weight, dz + at)
              : classification_example(z + at, scores.const_data_ptr<int64_t>()[b], forwards, classes,
                                       supervised_scale, consistency_scale, options.kl_weight, log_p, p,
                                       dz + at);
    }
  });
  at::Tensor values = at::zeros({2}, at::kDouble);
  for (const Sums& sum : sums) {  // in the order of the batch, whatever the number of threads
    values.data_ptr<double>()[0] += sum.supervised;
    values.data_ptr<double>()[1] += sum.consistency;
  }
  return {values, gradient.transpose(0, 1).reshape({forwards * batch, classes}).to(logits.scalar_type())};
}

ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options) {
  RAT_CHECK(logits.dim() == 2 && logits.size(0) == forwards * labels.size(0), "ERR_RAT_INTERNAL",
            "forward_losses: logits must be [forwards * B, C]");
  const double scale =
      forwards > 1 ? pair_scale(labels.size(0), logits.size(1), forwards, options.kl_reduction) : 0;
  return kernels::forward_losses.on(logits.device())(logits.detach().contiguous(), labels, forwards, options,
                                                     scale);
}

}  // namespace rat
