// The formulas of the losses, once for CPU and CUDA. A consistency loss of two forwards i and j says what one class
// adds to its sums over the classes, the value that the sums give, and the gradient in the logits of one class.
// All in double: B * C is small, and the difference of two log-probabilities loses digits. Numbers of equations are
// those of the R-AT paper (Ni et al., 2022); the other consistency losses are those of its appendix C.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/check.h"
#include "core/random.h"  // RAT_HOST_DEVICE

namespace rat {

/// A label as weights of all classes, so that cross-entropy is the sum of -log p times them: smoothing spreads a part of
/// it evenly, and each class counts as much as its weight. As PyTorch's CrossEntropyLoss.
struct ClassTarget {
  int64_t label;
  double kept;            // of the label itself
  double spread;          // of each class, times its weight
  double total;           // of all
  const double* weights;  // [C]; none: all 1

  RAT_HOST_DEVICE static ClassTarget of(int64_t label, int64_t classes, double smoothing,
                                        const double* weights, double sum_of_weights) {
    const double kept = (1 - smoothing) * (weights ? weights[label] : 1);
    const double spread = smoothing / static_cast<double>(classes);
    return {label, kept, spread, kept + spread * sum_of_weights, weights};
  }
  RAT_HOST_DEVICE double weight(int64_t c) const { return weights ? weights[c] : 1; }
};

struct CrossEntropy {
  /// Of the label.
  RAT_HOST_DEVICE static double kept(const ClassTarget& target, double log_p_of_label) {
    return target.kept * -log_p_of_label;
  }
  /// Of class `c`, where there is smoothing.
  RAT_HOST_DEVICE static double spread(const ClassTarget& target, double log_p, int64_t c) {
    return target.spread * target.weight(c) * -log_p;
  }
  RAT_HOST_DEVICE static double gradient(const ClassTarget& target, double p, int64_t c) {
    return p * target.total - (target.spread * target.weight(c) + (c == target.label ? target.kept : 0));
  }
};

/// (y - score)^2 of an output y.
struct SquaredError {
  RAT_HOST_DEVICE static double value(double y, double score) { return (y - score) * (y - score); }
  RAT_HOST_DEVICE static double gradient(double y, double score) { return 2 * (y - score); }
};

/// One label that an example has or has not, of several that do not exclude each other: a classification into two
/// classes whose logits are 0 (not) and z.
struct Bernoulli {
  double log_not, log_p, p_not, p;

  RAT_HOST_DEVICE static Bernoulli of(double z) {
    const double log_not = -softplus(z), log_p = -softplus(-z);
    return {log_not, log_p, exp(log_not), exp(log_p)};
  }
  /// Cross-entropy; `y` is 1 where the example has the label, else 0.
  RAT_HOST_DEVICE double loss(double y) const { return -(y * log_p + (1 - y) * log_not); }
  RAT_HOST_DEVICE double gradient(double y) const { return p - y; }

 private:
  RAT_HOST_DEVICE static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
};

/// One class of two forwards, and how many classes there are.
struct ClassPair {
  double log_i, log_j, p_i, p_j;
  double classes;
};

/// A gradient in each of two forwards.
struct PairGradient {
  double i, j;
};

/// KL(P_i || P_j).
struct Kl {
  static constexpr int kSums = 1;
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    sums[0] += c.p_i * (c.log_i - c.log_j);
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return sums[0]; }
  // dKL(q || p)/dz_p = p - q;  dKL(p || q)/dz_p = p (log p - log q - KL(p || q)).
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    return {c.p_i * (c.log_i - c.log_j - sums[0]), c.p_j - c.p_i};
  }
};

/// Equation 7: 1/2 [KL(P_i || P_j) + KL(P_j || P_i)].
struct BidirectionalKl {
  static constexpr int kSums = 2;  // KL(P_i || P_j), KL(P_j || P_i)
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    sums[0] += c.p_i * (c.log_i - c.log_j);
    sums[1] += c.p_j * (c.log_j - c.log_i);
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return 0.5 * (sums[0] + sums[1]); }
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    const double difference = c.log_i - c.log_j;
    return {0.5 * (c.p_i * (difference - sums[0]) + c.p_i - c.p_j),
            0.5 * (c.p_j * (-difference - sums[1]) + c.p_j - c.p_i)};
  }
};

/// -sum P_i log P_j.
struct PairCrossEntropy {
  static constexpr int kSums = 1;
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) { sums[0] -= c.p_i * c.log_j; }
  RAT_HOST_DEVICE static double value(const double* sums) { return sums[0]; }
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    return {c.p_i * (-c.log_j - sums[0]), c.p_j - c.p_i};
  }
};

/// 1/2 KL(P_i || M) + 1/2 KL(P_j || M), M the mean of both; at most log 2.
struct JensenShannon {
  static constexpr int kSums = 2;  // KL(P_i || M), KL(P_j || M)
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    const double log_m = log_mean(c);
    sums[0] += c.p_i * (c.log_i - log_m);
    sums[1] += c.p_j * (c.log_j - log_m);
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return 0.5 * (sums[0] + sums[1]); }
  // What goes through M adds up to nothing.
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    const double log_m = log_mean(c);
    return {0.5 * c.p_i * (c.log_i - log_m - sums[0]), 0.5 * c.p_j * (c.log_j - log_m - sums[1])};
  }

 private:
  /// From the logarithms, which are finite where the probabilities are 0.
  RAT_HOST_DEVICE static double log_mean(const ClassPair& c) {
    const double more = c.log_i > c.log_j ? c.log_i : c.log_j, less = c.log_i > c.log_j ? c.log_j : c.log_i;
    return more + log1p(exp(less - more)) - 0.69314718055994530942;  // log 2
  }
};

/// Mean over the classes of |P_i - P_j|.
struct MeanAbsoluteError {
  static constexpr int kSums = 3;  // the value; sign(P_i - P_j) weighted by P_i, and by P_j
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    const double sign = sign_of(c);
    sums[0] += sign * (c.p_i - c.p_j) / c.classes;
    sums[1] += sign * c.p_i;
    sums[2] += sign * c.p_j;
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return sums[0]; }
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    const double sign = sign_of(c);
    return {c.p_i * (sign - sums[1]) / c.classes, -c.p_j * (sign - sums[2]) / c.classes};
  }

 private:
  RAT_HOST_DEVICE static double sign_of(const ClassPair& c) {
    return c.p_i > c.p_j ? 1 : c.p_i < c.p_j ? -1 : 0;
  }
};

/// Mean over the classes of (P_i - P_j)^2.
struct MeanSquaredError {
  static constexpr int kSums = 3;  // the value; P_i - P_j weighted by P_i, and by P_j
  RAT_HOST_DEVICE static void add(double* sums, const ClassPair& c) {
    const double difference = c.p_i - c.p_j;
    sums[0] += difference * difference / c.classes;
    sums[1] += difference * c.p_i;
    sums[2] += difference * c.p_j;
  }
  RAT_HOST_DEVICE static double value(const double* sums) { return sums[0]; }
  RAT_HOST_DEVICE static PairGradient gradient(const double* sums, const ClassPair& c) {
    const double difference = c.p_i - c.p_j;
    return {2 * c.p_i * (difference - sums[1]) / c.classes, -2 * c.p_j * (difference - sums[2]) / c.classes};
  }
};

/// Of two outputs, for regression: (y_i - y_j)^2.
struct SquaredDifference {
  RAT_HOST_DEVICE static double value(double y_i, double y_j) { return (y_i - y_j) * (y_i - y_j); }
  RAT_HOST_DEVICE static PairGradient gradient(double y_i, double y_j) {
    return {2 * (y_i - y_j), -2 * (y_i - y_j)};
  }
};

/// The consistency losses of classifications by name: a line here, one in kConsistencyNames and one in with_formula.
enum class Consistency { kBidirectionalKl, kKl, kCrossEntropy, kJensenShannon, kMeanAbsolute, kMeanSquared };
inline constexpr const char* kConsistencyNames[] = {"bi-kl", "kl", "ce", "js", "mae", "mse"};

/// `use(formula)` with the loss's formula.
template <typename Use>
decltype(auto) with_formula(Consistency consistency, Use use) {
  switch (consistency) {
    case Consistency::kBidirectionalKl:
      return use(BidirectionalKl());
    case Consistency::kKl:
      return use(Kl());
    case Consistency::kCrossEntropy:
      return use(PairCrossEntropy());
    case Consistency::kJensenShannon:
      return use(JensenShannon());
    case Consistency::kMeanAbsolute:
      return use(MeanAbsoluteError());
    case Consistency::kMeanSquared:
      return use(MeanSquaredError());
  }
  fail("ERR_RAT_INTERNAL", "unknown consistency loss");
}

}  // namespace rat
