// The losses of K forwards of one batch and their gradient with respect to the logits, in closed form: no
// autograd graph between logits and loss. The formulas are in loss_formulas.h.
#pragma once

#include <ATen/ATen.h>

#include "objective/loss_formulas.h"

namespace rat {

/// How the consistency of the examples becomes one number. The paper takes the mean over the batch, its
/// released code the sum; the mean over batch and classes is what `KLDivLoss(reduction="mean")` computes.
enum class KlReduction { kBatchMean, kSum, kElementMean };

struct LossOptions {
  bool regression = false;
  double kl_weight = 0;  // alpha of equation 9
  KlReduction kl_reduction = KlReduction::kBatchMean;
  Consistency consistency = Consistency::kBidirectionalKl;
  double label_smoothing = 0;     // of the supervised loss
  at::Tensor class_weights = {};  // likewise: [C] double on the device of the logits; undefined: all 1
  double class_weight_sum = 0;    // of class_weights; without them C
};

/// What the means over a step divide by. They are the whole step's, however small a part of it a batch is, so that
/// batches, and processes, add up.
struct Normaliser {
  double supervised = 1;   // of the supervised loss: examples, or the weights of their labels' classes
  double consistency = 1;  // of the consistency loss: examples
};

/// What one example of one forward, and one example of one pair of forwards, is multiplied with.
struct LossScales {
  double supervised = 1, consistency = 0;
};

struct ForwardLosses {
  /// [2] double on the device of the logits: the supervised loss, mean over forwards and the normaliser
  /// (cross-entropy; squared error for regression), and the consistency term without its weight.
  at::Tensor values;
  /// Gradient of supervised + kl_weight * consistency, shape and type of the logits.
  at::Tensor dlogits;
};

/// logits `[forwards * B, C]`, forwards laid end to end; labels `[B]`: int64 classes, or scores in the type
/// of the logits. Both losses are multiplied with `weight`.
///
/// Consistency: mean over the pairs of forwards, gradient through both. One forward has none: 0.
ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options, const Normaliser& normaliser, double weight = 1);

}  // namespace rat
