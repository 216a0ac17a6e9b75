#include "objective/losses.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/kernels.h"

namespace rat {
namespace {

/// What the consistency of one pair of one example is multiplied with.
double pair_scale(double examples, int64_t classes, int64_t forwards, KlReduction reduction) {
  if (forwards < 2) return 0;
  const double pairs = static_cast<double>(forwards * (forwards - 1)) / 2;
  switch (reduction) {
    case KlReduction::kBatchMean:
      return 1 / (pairs * examples);
    case KlReduction::kSum:
      return 1 / pairs;
    case KlReduction::kElementMean:
      return 1 / (pairs * (examples * static_cast<double>(classes)));
  }
  fail("ERR_RAT_INTERNAL", "unknown reduction");
}

struct Sums {
  double supervised = 0;
  double consistency = 0;
};

/// What the examples of a batch have in common.
struct Shape {
  int64_t forwards, classes;
  LossScales scales;
  double kl_weight;
  double label_smoothing;
  const double* class_weights;
  double class_weight_sum;
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

/// One example of a classification: `z`, `log_p`, `p` and `gradient` are `[forwards, C]`.
template <typename Formula>
Sums classification_example(const double* z, int64_t label, const Shape& shape, double* log_p, double* p,
                            double* gradient) {
  const int64_t classes = shape.classes;
  const Target target =
      Target::of(label, classes, shape.label_smoothing, shape.class_weights, shape.class_weight_sum);
  Sums losses;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    log_softmax(z + k * classes, classes, log_p + k * classes);
    double supervised = CrossEntropy::kept(target, log_p[k * classes + label]);
    if (target.spread > 0)
      for (int64_t c = 0; c < classes; ++c)
        supervised += CrossEntropy::spread(target, log_p[k * classes + c], c);
    losses.supervised += shape.scales.supervised * supervised;
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t at = k * classes + c;
      p[at] = std::exp(log_p[at]);
      gradient[at] = shape.scales.supervised * CrossEntropy::gradient(target, p[at], c);
    }
  }
  for (int64_t i = 0; i < shape.forwards; ++i)
    for (int64_t j = i + 1; j < shape.forwards; ++j) {
      const auto pair = [&](int64_t c) -> ClassPair {
        return {log_p[i * classes + c], log_p[j * classes + c], p[i * classes + c], p[j * classes + c]};
      };
      double sums[Formula::kSums] = {};
      for (int64_t c = 0; c < classes; ++c) Formula::add(sums, pair(c));
      losses.consistency += shape.scales.consistency * Formula::value(sums);
      const double scale = shape.kl_weight * shape.scales.consistency;
      for (int64_t c = 0; c < classes; ++c) {
        const PairGradient d = Formula::gradient(sums, pair(c));
        gradient[i * classes + c] += scale * d.i;
        gradient[j * classes + c] += scale * d.j;
      }
    }
  return losses;
}

Sums regression_example(const double* y, double score, const Shape& shape, double* gradient) {
  Sums losses;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    losses.supervised += shape.scales.supervised * SquaredError::value(y[k], score);
    gradient[k] = shape.scales.supervised * SquaredError::gradient(y[k], score);
  }
  for (int64_t i = 0; i < shape.forwards; ++i)
    for (int64_t j = i + 1; j < shape.forwards; ++j) {
      losses.consistency += shape.scales.consistency * SquaredDifference::value(y[i], y[j]);
      const double scale = shape.kl_weight * shape.scales.consistency;
      const PairGradient d = SquaredDifference::gradient(y[i], y[j]);
      gradient[i] += scale * d.i;
      gradient[j] += scale * d.j;
    }
  return losses;
}

}  // namespace

ForwardLosses cpu::forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                                  const LossOptions& options, const LossScales& scales) {
  const int64_t batch = labels.size(0);
  const int64_t classes = logits.size(1);
  // [B, forwards, C]: one example's forwards side by side.
  const at::Tensor by_example =
      logits.view({forwards, batch, classes}).transpose(0, 1).to(at::kDouble).contiguous();
  const at::Tensor gradient = at::empty_like(by_example);
  const at::Tensor scores = options.regression ? labels.to(at::kDouble).contiguous() : labels.contiguous();
  const auto* z = by_example.const_data_ptr<double>();
  auto* dz = gradient.data_ptr<double>();
  const bool is_weighted = options.class_weights.defined();
  const Shape shape{forwards,
                    classes,
                    scales,
                    options.kl_weight,
                    options.label_smoothing,
                    is_weighted ? options.class_weights.const_data_ptr<double>() : nullptr,
                    is_weighted ? options.class_weight_sum : static_cast<double>(classes)};
  std::vector<Sums> sums(static_cast<size_t>(batch));
  with_formula(options.consistency, [&](auto formula) {
    at::parallel_for(0, batch, 8, [&](int64_t begin, int64_t end) {
      std::vector<double> log_p(static_cast<size_t>(forwards * classes)), p(log_p.size());
      for (int64_t b = begin; b < end; ++b) {
        const int64_t at = b * forwards * classes;
        sums[static_cast<size_t>(b)] =
            options.regression
                ? regression_example(z + at, scores.const_data_ptr<double>()[b], shape, dz + at)
                : classification_example<decltype(formula)>(z + at, scores.const_data_ptr<int64_t>()[b],
                                                            shape, log_p.data(), p.data(), dz + at);
      }
    });
  });
  at::Tensor values = at::zeros({2}, at::kDouble);
  for (const Sums& sum : sums) {  // in the order of the batch, whatever the number of threads
    values.data_ptr<double>()[0] += sum.supervised;
    values.data_ptr<double>()[1] += sum.consistency;
  }
  return {values, gradient.transpose(0, 1).reshape({forwards * batch, classes}).to(logits.scalar_type())};
}

ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options, const Normaliser& normaliser, double weight) {
  RAT_CHECK(logits.dim() == 2 && logits.size(0) == forwards * labels.size(0), "ERR_RAT_INTERNAL",
            "forward_losses: logits must be [forwards * B, C]");
  const LossScales scales{
      weight / (static_cast<double>(forwards) * normaliser.supervised),
      weight * pair_scale(normaliser.consistency, logits.size(1), forwards, options.kl_reduction)};
  return kernels::forward_losses.on(logits.device())(logits.detach().contiguous(), labels, forwards, options,
                                                     scales);
}

}  // namespace rat
