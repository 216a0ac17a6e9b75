#include "objective/losses.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/kernels.h"
#include "core/lanes.h"

namespace rat {
namespace {

constexpr int64_t kExamplesOfPart = 64;  // longer work than to wake a thread

/// What the consistency of one pair of one example is multiplied with.
double pair_scale(double examples, int64_t classes, int64_t forwards, const LossOptions& options) {
  if (forwards < 2) return 0;
  const double pairs = static_cast<double>(forwards * (forwards - 1)) / 2;
  switch (options.kl_reduction) {
    case KlReduction::kBatchMean:
      return 1 / (pairs * examples);
    case KlReduction::kSum:
      return 1 / pairs;
    case KlReduction::kElementMean:
      // Of a label set the consistency is the mean over the labels already.
      if (options.target == Target::kLabelSet) return 1 / (pairs * examples);
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

  /// What the supervised loss of forward `k` counts.
  double supervised(int64_t k) const { return k < scales.supervised_forwards ? scales.supervised : 0; }
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

/// The consistency of all pairs of one example's forwards, `log_p` and `p` `[forwards, classes]`; `add` takes the
/// gradient of a forward's class.
template <typename Formula, typename Add>
double consistency_of_pairs(const double* log_p, const double* p, int64_t forwards, int64_t classes,
                            Add add) {
  double total = 0;
  for (int64_t i = 0; i < forwards; ++i)
    for (int64_t j = i + 1; j < forwards; ++j) {
      const auto pair = [&](int64_t c) -> ClassPair {
        return {log_p[i * classes + c], log_p[j * classes + c], p[i * classes + c], p[j * classes + c],
                static_cast<double>(classes)};
      };
      double sums[Formula::kSums] = {};
      for (int64_t c = 0; c < classes; ++c) Formula::add(sums, pair(c));
      total += Formula::value(sums);
      for (int64_t c = 0; c < classes; ++c) {
        const PairGradient d = Formula::gradient(sums, pair(c));
        add(i, c, d.i);
        add(j, c, d.j);
      }
    }
  return total;
}

/// `z` and `gradient` are `[forwards, C]`, `log_p` and `p` room for as much.
template <typename Formula>
Sums class_example(const double* z, int64_t label, const Shape& shape, double* log_p, double* p,
                   double* gradient) {
  const int64_t classes = shape.classes;
  const ClassTarget target =
      ClassTarget::of(label, classes, shape.label_smoothing, shape.class_weights, shape.class_weight_sum);
  Sums losses;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    const double scale = shape.supervised(k);
    log_softmax(z + k * classes, classes, log_p + k * classes);
    double supervised = CrossEntropy::kept(target, log_p[k * classes + label]);
    if (target.spread > 0)
      for (int64_t c = 0; c < classes; ++c)
        supervised += CrossEntropy::spread(target, log_p[k * classes + c], c);
    losses.supervised += scale * supervised;
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t at = k * classes + c;
      p[at] = std::exp(log_p[at]);
      gradient[at] = scale * CrossEntropy::gradient(target, p[at], c);
    }
  }
  const double scale = shape.kl_weight * shape.scales.consistency;
  losses.consistency = shape.scales.consistency *
                       consistency_of_pairs<Formula>(
                           log_p, p, shape.forwards, classes,
                           [&](int64_t k, int64_t c, double d) { gradient[k * classes + c] += scale * d; });
  return losses;
}

/// As class_example; `y` is `[C]`. Each label is a classification of its own, into not and yes.
template <typename Formula>
Sums label_set_example(const double* z, const double* y, const Shape& shape, double* log_p, double* p,
                       double* gradient) {
  const double share = 1 / static_cast<double>(shape.classes);
  const double scale = shape.kl_weight * shape.scales.consistency * share;
  Sums losses;
  for (int64_t c = 0; c < shape.classes; ++c) {
    for (int64_t k = 0; k < shape.forwards; ++k) {
      const int64_t at = k * shape.classes + c;
      const Bernoulli label = Bernoulli::of(z[at]);
      const double supervised = shape.supervised(k) * share;
      losses.supervised += supervised * label.loss(y[c]);
      gradient[at] = supervised * label.gradient(y[c]);
      log_p[2 * k] = label.log_not;
      log_p[2 * k + 1] = label.log_p;
      p[2 * k] = label.p_not;
      p[2 * k + 1] = label.p;
    }
    losses.consistency +=
        shape.scales.consistency * share *
        consistency_of_pairs<Formula>(log_p, p, shape.forwards, 2, [&](int64_t k, int64_t yes, double d) {
          if (yes) gradient[k * shape.classes + c] += scale * d;
        });
  }
  return losses;
}

Sums score_example(const double* y, double score, const Shape& shape, double* gradient) {
  Sums losses;
  for (int64_t k = 0; k < shape.forwards; ++k) {
    losses.supervised += shape.supervised(k) * SquaredError::value(y[k], score);
    gradient[k] = shape.supervised(k) * SquaredError::gradient(y[k], score);
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
  const int64_t batch = logits.size(0) / forwards;
  const int64_t classes = logits.size(1);
  // [B, forwards, C]: one example's forwards side by side.
  const at::Tensor by_example =
      logits.view({forwards, batch, classes}).transpose(0, 1).to(at::kDouble).contiguous();
  const at::Tensor gradient = at::empty_like(by_example);
  const bool are_classes = options.target == Target::kClass;
  const at::Tensor known = are_classes ? labels.contiguous() : labels.to(at::kDouble).contiguous();
  const int64_t* indices = are_classes ? known.const_data_ptr<int64_t>() : nullptr;
  const double* values_of_labels = are_classes ? nullptr : known.const_data_ptr<double>();
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
    using Formula = decltype(formula);
    in_parallel(batch, kExamplesOfPart, [&](int64_t begin, int64_t end) {
      std::vector<double> log_p(static_cast<size_t>(forwards * std::max<int64_t>(classes, 2))),
          p(log_p.size());
      for (int64_t b = begin; b < end; ++b) {
        const int64_t at = b * forwards * classes;
        sums[static_cast<size_t>(b)] = [&] {
          switch (options.target) {
            case Target::kClass:
              return class_example<Formula>(z + at, indices[b], shape, log_p.data(), p.data(), dz + at);
            case Target::kScore:
              return score_example(z + at, values_of_labels[b], shape, dz + at);
            case Target::kLabelSet:
              return label_set_example<Formula>(z + at, values_of_labels + b * classes, shape, log_p.data(),
                                                p.data(), dz + at);
          }
          fail("ERR_RAT_INTERNAL", "unknown target");
        }();
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
                             const LossOptions& options, const Normaliser& normaliser,
                             const LossWeights& weights) {
  const int64_t labels_of_example = options.target == Target::kLabelSet ? logits.size(1) : 1;
  RAT_CHECK(logits.dim() == 2 && logits.size(0) * labels_of_example == forwards * labels.numel(),
            "ERR_RAT_INTERNAL", "forward_losses: logits must be [forwards * B, C]");
  const int64_t supervised_forwards = weights.supervised_forwards.value_or(forwards);
  const LossScales scales{
      weights.both / (static_cast<double>(std::max<int64_t>(supervised_forwards, 1)) * normaliser.supervised),
      weights.both * pair_scale(normaliser.consistency, logits.size(1), forwards, options),
      supervised_forwards};
  const bool is_cooled = options.temperature != 1;
  const at::Tensor z = is_cooled ? logits.detach() / options.temperature : logits.detach();
  ForwardLosses losses =
      kernels::forward_losses.on(logits.device())(z.contiguous(), labels, forwards, options, scales);
  if (is_cooled) losses.dlogits.div_(options.temperature);
  return losses;
}

}  // namespace rat
