// Convolutions over time with ReLU and maximum over time, on packed tokens.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/batch.h"

namespace rat {

/// For every sequence s and filter n of width w:
///   out[s, n] = max over t of ReLU(bias[n] + sum over j < w of weight[n, :, j] . x[t + j])
/// A sequence shorter than w is padded with zero rows to the width; windows never cross sequences.
/// x `[tokens, D]`, weights `[N, D, w]` and biases `[N]` one pair a width; returns `[S, N * widths]`.
/// Differentiable.
at::Tensor conv_relu_max_pool(const at::Tensor& x, const ForwardRows& rows,
                              const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& biases);

}  // namespace rat
