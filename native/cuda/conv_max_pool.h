// CUDA side of layers/conv_max_pool.h; its .cc says how taps are laid out among columns.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace rat::cuda {

/// products `[tokens, columns]`, starts `[S + 1]` int64 -> out `[S, features]` = ReLU of the maxima, winners
/// int32: where the winning window begins in its sequence.
void pool_windows(const at::Tensor& products, const at::Tensor& starts, const std::vector<int64_t>& widths,
                  const at::Tensor& bias, at::Tensor& out, at::Tensor& winners);

/// The gradient of the products `[tokens, columns]`, zero but for the winning windows. Each entry is written
/// by at most one thread, so no atomics: the same inputs give the same bits.
at::Tensor scatter_windows(const at::Tensor& dout, const at::Tensor& winners, const at::Tensor& starts,
                           const std::vector<int64_t>& widths, int64_t tokens);

}  // namespace rat::cuda
