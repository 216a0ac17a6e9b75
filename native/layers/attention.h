// Multi-head self-attention on packed sequences: each token attends to the tokens of its own sequence.
#pragma once

#include <ATen/ATen.h>

#include "core/device_batch.h"
#include "layers/dropout.h"

namespace rat {

/// softmax(q k^T / sqrt(width)) v by head, with dropout on the probabilities.
///
/// `qkv` `[tokens, 3 D]` holds queries, keys and values side by side, heads side by side within each. Result:
/// `[tokens, D]`, in the type of `qkv`; the softmax itself is at least float. With `first_queries` `[S, D]`,
/// the queries of each sequence's first token alone, `qkv` is keys and values `[tokens, 2 D]` and the result
/// `[S, D]`: the same values as those rows of the whole. Differentiable.
///
/// Elements of the mask: (head * L + query) * L + key, for a sequence of L tokens.
at::Tensor attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                     int64_t heads, const Dropout& dropout, uint32_t layer);

/// The same by LibTorch's operators, on a grid that is padded to the longest sequence.
at::Tensor padded_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                            int64_t heads, const Dropout& dropout, uint32_t layer);

}  // namespace rat
