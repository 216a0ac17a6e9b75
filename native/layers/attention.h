// Multi-head self-attention on packed sequences: each token attends to the tokens of its own sequence.
#pragma once

#include <ATen/ATen.h>

#include <vector>

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

/// Whether `attention` is LibTorch's operators on a grid that is padded to the longest sequence, which needs
/// `ForwardRows::padded_cells`: where it is asked for, and for heads that are too wide for the kernels of CUDA.
bool pads_attention(at::Device device, int64_t head_width);

/// That attention.
at::Tensor padded_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                            int64_t heads, const Dropout& dropout, uint32_t layer);

/// LibTorch's: as `attention`, but that its dropout is another each time it is called, by LibTorch's generator, whatever the masks
/// of the rows. For rows without filler that have `starts_32`.
at::Tensor torch_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                           int64_t heads, const Dropout& dropout);

/// Whether it is there: on a GPU, in bf16 and fp32.
bool has_torch_attention(at::Device device, at::ScalarType compute, int64_t head_width);

/// Throws ERR_RAT_CONFIG where it is not.
void require_torch_attention(at::Device device, at::ScalarType compute, int64_t head_width);

/// What the kernels are given beside tensors; the backward pass needs all of it again.
struct AttentionShape {
  int64_t sequences, longest, heads, head_width;
  std::vector<int64_t> starts;  // [S + 1]
  at::Tensor starts_index;      // [S + 1] int64, on the device
  at::Tensor ends_index;        // [S], likewise
  bool first_only;              // queries of first tokens alone: they stand in a tensor of their own
  SiteMask mask;                // of each sequence

  int64_t width() const { return heads * head_width; }
  /// Where keys and values begin in a row of `qkv`.
  int64_t key_column() const { return first_only ? 0 : width(); }
  int64_t value_column() const { return key_column() + width(); }
};

}  // namespace rat
