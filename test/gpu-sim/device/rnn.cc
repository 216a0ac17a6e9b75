// The fused cells of LibTorch's CUDA side, which have no CPU kernel to fall back on. A real GPU takes cuDNN
// instead (at::lstm, at::gru), so this proves what is around the cell, not the cell.
#include <ATen/ATen.h>
#include <torch/library.h>

#include "device/gpu_sim.h"

namespace gpu_sim {
namespace {

using at::Tensor;
using Optional = const std::optional<Tensor>&;

Tensor gates(const Tensor& x, Optional bias) { return bias && bias->defined() ? x + *bias : x; }

std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, const Tensor& hidden, const Tensor& cx,
                                        Optional input_bias, Optional hidden_bias) {
  const auto g = (gates(input, input_bias) + gates(hidden, hidden_bias)).chunk(4, 1);
  const Tensor i = g[0].sigmoid(), f = g[1].sigmoid(), c = g[2].tanh(), o = g[3].sigmoid();
  const Tensor cy = f * cx + i * c;
  return {o * cy.tanh(), cy, at::cat({i, f, c, o}, 1)};
}

std::tuple<Tensor, Tensor, Tensor> lstm_backward(Optional grad_hy, Optional grad_cy, const Tensor& cx,
                                                 const Tensor& cy, const Tensor& workspace, bool has_bias) {
  const auto w = workspace.chunk(4, 1);
  const Tensor &i = w[0], &f = w[1], &c = w[2], &o = w[3];
  const Tensor tc = cy.tanh();
  Tensor dc = grad_cy && grad_cy->defined() ? *grad_cy : at::zeros_like(cy);
  Tensor dout = at::zeros_like(o);
  if (grad_hy && grad_hy->defined()) {
    dc = dc + *grad_hy * o * (1 - tc * tc);
    dout = *grad_hy * tc * o * (1 - o);
  }
  const Tensor dgates = at::cat({dc * c * i * (1 - i), dc * cx * f * (1 - f), dc * i * (1 - c * c), dout}, 1);
  return {dgates, dc * f, has_bias ? dgates.sum(0) : Tensor()};
}

std::tuple<Tensor, Tensor> gru(const Tensor& input, const Tensor& hidden, const Tensor& hx,
                               Optional input_bias, Optional hidden_bias) {
  const auto x = gates(input, input_bias).chunk(3, 1), h = gates(hidden, hidden_bias).chunk(3, 1);
  const Tensor r = (x[0] + h[0]).sigmoid(), z = (x[1] + h[1]).sigmoid(), n = (x[2] + r * h[2]).tanh();
  return {(1 - z) * n + z * hx, at::cat({r, z, n, hx, h[2]}, 1)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> gru_backward(const Tensor& dhy, const Tensor& workspace,
                                                                bool has_bias) {
  const auto w = workspace.chunk(5, 1);
  const Tensor &r = w[0], &z = w[1], &n = w[2], &hx = w[3], &hn = w[4];
  const Tensor dn = dhy * (1 - z) * (1 - n * n), dz = dhy * (hx - n) * z * (1 - z),
               dr = dn * hn * r * (1 - r);
  const Tensor dinput = at::cat({dr, dz, dn}, 1), dhidden = at::cat({dr, dz, dn * r}, 1);
  return {dinput, dhidden, dhy * z, has_bias ? dinput.sum(0) : Tensor(),
          has_bias ? dhidden.sum(0) : Tensor()};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_thnn_fused_lstm_cell", lstm);
  m.impl("_thnn_fused_lstm_cell_backward_impl", lstm_backward);
  m.impl("_thnn_fused_gru_cell", gru);
  m.impl("_thnn_fused_gru_cell_backward", gru_backward);
}

}  // namespace
}  // namespace gpu_sim
