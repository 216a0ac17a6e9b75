// One bidirectional recurrent layer (LSTM or GRU) on packed tokens, with PyTorch's equations, gate
// order and names.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/device_batch.h"

namespace rat {

enum class Cell { kLstm, kGru };

/// Parameters of one layer in PyTorch's order: weight_ih `[G * H, in]`, weight_hh `[G * H, H]`, bias_ih,
/// bias_hh `[G * H]`, then the same for the reverse direction (G = 4 gates for LSTM: input, forget, cell,
/// output; 3 for GRU: reset, update, new).
struct RecurrentLayer {
  Cell cell;
  std::vector<at::Tensor> parameters;
};

/// x `[tokens, in]` to the hidden states of both directions side by side, `[tokens, 2 H]`. Initial states are
/// zero. The reverse direction of each sequence starts at its own last token. Differentiable.
at::Tensor bidirectional(const at::Tensor& x, const TimeMajor& layout, const RecurrentLayer& layer);

}  // namespace rat
