// Convolutions over time with ReLU and maximum over time, on packed tokens.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/device_batch.h"

namespace rat {

/// The columns of the product of tokens and filters: tap j of filter n of the i-th width is column
/// offsets[i] + j * filters + n.
struct Taps {
  std::vector<int64_t> widths;
  std::vector<int64_t> offsets;
  int64_t filters = 0;  // a width
  int64_t columns = 0;
  Taps(const std::vector<int64_t>& widths, int64_t filters);
};

/// For every sequence s and filter n of width w:
///   out[s, n] = max over t of ReLU(bias[n] + sum over j < w of weight[n, :, j] . x[t + j])
/// A sequence shorter than w is padded with zero rows to the width; windows never cross sequences.
/// x `[tokens, D]`, weights `[N, D, w]` and biases `[N]` one pair a width; returns `[S, N * widths]`.
/// Differentiable.
at::Tensor conv_relu_max_pool(const at::Tensor& x, const ForwardRows& rows,
                              const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& biases);

}  // namespace rat
