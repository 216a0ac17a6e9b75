// Attention over the real tokens of each sequence, on packed tokens.
#pragma once

#include <ATen/ATen.h>

#include "core/device_batch.h"

namespace rat {

/// out[s] = sum over the tokens t of s of softmax_t(scores)[t] * values[t], the softmax within the sequence.
/// scores `[tokens]`, values `[tokens, W]`; returns `[S, W]`. Differentiable.
at::Tensor attention_pool(const at::Tensor& scores, const at::Tensor& values, const ForwardRows& rows);

}  // namespace rat
