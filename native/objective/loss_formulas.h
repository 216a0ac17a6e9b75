// The formulas of the losses, once for CPU and CUDA. A consistency loss of two forwards i and j says what one class
// adds to its sums over the classes, the value that the sums give, and the gradient in the logits of one class.
// All in double: B * C is small, and the difference of two log-probabilities loses digits. Numbers of equations are
// those of the R-AT paper (Ni et al., 2022).
#pragma once

#include <cstdint>

#include "core/check.h"
#include "core/random.h"  // RAT_HOST_DEVICE

namespace rat {

/// A label as weights of all classes, so that cross-entropy is the sum of -log p times them: smoothing spreads a part of
/// it evenly, and each class counts as much as its weight. As PyTorch's CrossEntropyLoss.
struct Target {
  int64_t label;
  double kept;            // of the label itself
  double spread;          // of each class, times its weight
  double total;           // of all
  const double* weights;  // [C]; none: all 1

  RAT_HOST_DEVICE static Target of(int64_t label, int64_t classes, double smoothing, const double* weights,
                                   double sum_of_weights) {
    const double kept = (1 - smoothing) * (weights ? weights[label] : 1);
    const double spread = smoothing / static_cast<double>(classes);
    return {label, kept, spread, kept + spread * sum_of_weights, weights};
  }
  RAT_HOST_DEVICE double weight(int64_t c) const { return weights ? weights[c] : 1; }
};

struct CrossEntropy {
  /// Of the label.
  RAT_HOST_DEVICE static double kept(const Target& target, double log_p_of_label) {
    return target.kept * -log_p_of_label;
  }
  /// Of class `c`, where there is smoothing.
  RAT_HOST_DEVICE static double spread(const Target& target, double log_p, int64_t c) {
    return target.spread * target.weight(c) * -log_p;
  }
  RAT_HOST_DEVICE static double gradient(const Target& target, double p, int64_t c) {
    return p * target.total - (target.spread * target.weight(c) + (c == target.label ? target.kept : 0));
  }
};

/// (y - score)^2 of an output y.
struct SquaredError {
  RAT_HOST_DEVICE static double value(double y, double score) { return (y - score) * (y - score); }
  RAT_HOST_DEVICE static double gradient(double y, double score) { return 2 * (y - score); }
};

/// One class of two forwards.
struct ClassPair {
  double log_i, log_j, p_i, p_j;
};

/// A gradient in each of two forwards.
struct PairGradient {
  double i, j;
};

/// Equation 7: 1/2 [KL(P_i || P_j) + KL(P_j || P_i)].
struct BidirectionalKl {
  static constexpr int kSums = 2;  // KL(P_i || P_j), KL(P_j || P_i)
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    sums[0] += c.p_i * (c.log_i - c.log_j);
    sums[1] += c.p_j * (c.log_j - c.log_i);
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return 0.5 * (sums[0] + sums[1]); }
  // dKL(q || p)/dz_p = p - q;  dKL(p || q)/dz_p = p (log p - log q - KL(p || q)).
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    const double difference = c.log_i - c.log_j;
    return {0.5 * (c.p_i * (difference - sums[0]) + c.p_i - c.p_j),
            0.5 * (c.p_j * (-difference - sums[1]) + c.p_j - c.p_i)};
  }
};

/// Of two outputs, for regression: (y_i - y_j)^2.
struct SquaredDifference {
  RAT_HOST_DEVICE static double value(double y_i, double y_j) { return (y_i - y_j) * (y_i - y_j); }
  RAT_HOST_DEVICE static PairGradient gradient(double y_i, double y_j) {
    return {2 * (y_i - y_j), -2 * (y_i - y_j)};
  }
};

/// The consistency losses of classifications by name: a line here and one in with_formula.
enum class Consistency { kBidirectionalKl };

/// `use(formula)` with the loss's formula.
template <typename Use>
decltype(auto) with_formula(Consistency consistency, Use use) {
  switch (consistency) {
    case Consistency::kBidirectionalKl:
      return use(BidirectionalKl());
  }
  fail("ERR_RAT_INTERNAL", "unknown consistency loss");
}

}  // namespace rat
