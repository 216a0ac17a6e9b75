// The losses of K forwards of one batch and their gradient with respect to the logits, in closed form: no
// autograd graph between logits and loss. The formulas are in loss_formulas.h.
#pragma once

#include <ATen/ATen.h>

#include <compare>
#include <optional>

#include "core/target.h"
#include "objective/loss_formulas.h"

namespace rat {

/// How the consistency of the examples becomes one number. The paper takes the mean over the batch, its
/// released code the sum; the mean over batch and classes is what `KLDivLoss(reduction="mean")` computes.
enum class KlReduction { kBatchMean, kSum, kElementMean };

struct LossOptions {
  Target target = Target::kClass;
  double kl_weight = 0;  // alpha of equation 9
  KlReduction kl_reduction = KlReduction::kBatchMean;
  Consistency consistency = Consistency::kBidirectionalKl;
  double temperature = 1;         // that the logits are divided by
  double label_smoothing = 0;     // of the supervised loss
  at::Tensor class_weights = {};  // likewise: [C] double on the device of the logits; undefined: all 1
  double class_weight_sum = 0;    // of class_weights; without them C
};

/// What the means over a step divide by. They are the whole step's, however small a part of it a batch is, so that
/// batches, and processes, add up.
struct Normaliser {
  double supervised = 1;   // of the supervised loss: examples, or the weights of their labels' classes
  double consistency = 1;  // of the consistency loss: examples
  auto operator<=>(const Normaliser&) const = default;
};

/// What one example of one forward, and one example of one pair of forwards, is multiplied with.
struct LossScales {
  double supervised = 1, consistency = 0;
  int64_t supervised_forwards = 1;  // the first so many; the others are there to be consistent with
};

struct ForwardLosses {
  /// [2] double on the device of the logits: the supervised loss, mean over its forwards and the normaliser
  /// (cross-entropy; squared error; the mean over the labels of a label set), and the consistency term without its
  /// weight.
  at::Tensor values;
  /// Gradient of supervised + kl_weight * consistency, shape and type of the logits.
  at::Tensor dlogits;
};

/// Of the losses of one pass.
struct LossWeights {
  double both = 1;                             // what both are multiplied with
  std::optional<int64_t> supervised_forwards;  // the first so many count in the supervised loss; none: all
};

/// logits `[forwards * B, C]`, forwards laid end to end; labels: `[B]` int64 classes, `[B]` scores or `[B * C]` label
/// sets in the type of the logits.
///
/// Consistency: mean over the pairs of forwards, gradient through both; of label sets the mean over the labels, each as a
/// distribution of two; of scores the squared difference, whatever its name. One forward has none: 0.
ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options, const Normaliser& normaliser,
                             const LossWeights& weights = {});

}  // namespace rat
