// The losses of K forwards of one batch and their gradient with respect to the logits, in closed form: no
// autograd graph between logits and loss. Numbers of equations are those of the R-AT paper (Ni et al., 2022).
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// How the consistency of the examples becomes one number. The paper takes the mean over the batch, its
/// released code the sum; the mean over batch and classes is what `KLDivLoss(reduction="mean")` computes.
enum class KlReduction { kBatchMean, kSum, kElementMean };

struct LossOptions {
  bool regression = false;
  double kl_weight = 0;  // alpha of equation 9
  KlReduction kl_reduction = KlReduction::kBatchMean;
};

struct ForwardLosses {
  /// [2] double on the device of the logits: the supervised loss, mean over forwards and batch
  /// (cross-entropy; squared error for regression), and the consistency term without its weight.
  at::Tensor values;
  /// Gradient of supervised + kl_weight * consistency, shape and type of the logits.
  at::Tensor dlogits;
};

/// logits `[forwards * B, C]`, forwards laid end to end; labels `[B]`: int64 classes, or scores in the type
/// of the logits.
///
/// Consistency (equation 7), mean over the pairs of forwards: 1/2 [KL(P_i || P_j) + KL(P_j || P_i)], gradient
/// through both; for regression (y_i - y_j)^2. One forward has none: 0.
ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options);

}  // namespace rat
