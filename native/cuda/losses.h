// CUDA side of objective/losses.h.
#pragma once

#include <ATen/ATen.h>

#include "objective/losses.h"

namespace rat::cuda {

/// `consistency_scale`: what one pair of one example is multiplied with.
ForwardLosses forward_losses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                             const LossOptions& options, double consistency_scale);

}  // namespace rat::cuda
