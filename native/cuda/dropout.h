// CUDA side of layers/dropout.h.
#pragma once

#include <ATen/ATen.h>

#include "layers/dropout.h"

namespace rat::cuda {

/// out = x times the masks of its rows over (1 - rate). x, out `[rows, width]` contiguous. A row's first
/// element is its position times `element_stride`.
void apply_dropout_mask(const at::Tensor& x, at::Tensor& out, const MaskRows& rows, const Dropout& settings,
                        uint32_t site_and_layer, int64_t element_stride);

}  // namespace rat::cuda
