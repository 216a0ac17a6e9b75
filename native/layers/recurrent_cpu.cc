// One operator a layer instead of an autograd graph of a dozen nodes a time step.
// The input's part of all gates is one matrix product for both directions; what remains a time step is one
// small product with the previous states and the gates' arithmetic. The two directions, and groups of
// sequences, run side by side on threads of their own. Backward walks the steps the other way and leaves the
// gradients of all weights to a few large products. StateRows are time-major: at step t the rows offsets[t] ..
// offsets[t] + sizes[t] belong to the sequences 0 .. sizes[t] (longest first), so the states of a step's
// sequences are always the first rows of its neighbour's.
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/kernels.h"
#include "core/lanes.h"
#include "core/matmul.h"
#include "core/panel_product.h"
#include "layers/recurrent.h"
#include "layers/recurrent_cell.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kSequencesPerTask = 8;  // fewer make the step's matrix product too thin

struct Steps {
  std::vector<int64_t> sizes, offsets;
};

Steps steps_of(const at::Tensor& batch_sizes) {
  Steps steps;
  const auto* sizes = batch_sizes.const_data_ptr<int64_t>();
  int64_t offset = 0;
  for (int64_t t = 0; t < batch_sizes.size(0); ++t) {
    steps.sizes.push_back(sizes[t]);
    steps.offsets.push_back(offset);
    offset += sizes[t];
  }
  return steps;
}

/// What one direction of one layer works on; column blocks of the tensors that both directions share.
struct Direction {
  bool reverse;
  int64_t hidden;
  at::Tensor weight_hh;  // [G * H, H]
  at::Tensor bias_hh;    // [G * H]
  at::Tensor gates;      // [tokens, G * H] activated gates (before: the input's part)
  at::Tensor states;     // [tokens, H] hidden states
  at::Tensor
      extra;  // [tokens, 2 H] LSTM: cell and its tanh; [tokens, H] GRU: the new gate's part of the states
};

/// One step of a group of sequences: its rows, and those of the step before it in the direction's own time.
struct Group {
  int64_t row, count;                // rows of this step
  int64_t previous, previous_count;  // rows of the previous step that have a successor here
};

/// Calls `body(group)` for the steps of sequences [first, last) in the order of the direction, or against it.
template <typename Body>
void for_each_step(const Steps& steps, bool reverse, bool backwards, int64_t first, int64_t last, Body body) {
  const auto length = static_cast<int64_t>(steps.sizes.size());
  const auto group_size = [&](int64_t t) {
    return t < 0 || t >= length
               ? 0
               : std::max<int64_t>(std::min(last, steps.sizes[static_cast<size_t>(t)]) - first, 0);
  };
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = reverse != backwards ? length - 1 - i : i;
    const int64_t count = group_size(t);
    if (count == 0) continue;
    const int64_t before = reverse ? t + 1 : t - 1;
    const int64_t previous_count = std::min(count, group_size(before));
    body(Group{steps.offsets[static_cast<size_t>(t)] + first, count,
               previous_count > 0 ? steps.offsets[static_cast<size_t>(before)] + first : 0, previous_count});
  }
}

/// Runs `task(direction, first, last)` for both directions and groups of sequences in parallel.
template <typename Task>
void for_each_group(int64_t sequences, Task task) {
  const int64_t wanted = std::max<int64_t>(1, at::get_num_threads() / 2);
  const int64_t groups = std::max<int64_t>(1, std::min(wanted, sequences / kSequencesPerTask));
  in_parallel(2 * groups, 1, [&](int64_t begin, int64_t end) {
    // A pool thread has its own dispatch state: what is done here must not be recorded.
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (int64_t i = begin; i < end; ++i)
      task(i % 2, i / 2 * sequences / groups, (i / 2 + 1) * sequences / groups);
  });
}

template <typename scalar_t>
struct StateRows {
  scalar_t* data;
  int64_t stride;
  explicit StateRows(const at::Tensor& tensor)
      : data(tensor.data_ptr<scalar_t>()), stride(tensor.stride(0)) {}
  scalar_t* operator[](int64_t row) const { return data + row * stride; }
};

template <typename scalar_t>
void lstm_forward(const Direction& d, const Steps& steps, int64_t first, int64_t last) {
  const int64_t hidden = d.hidden;
  const StateRows<scalar_t> gates(d.gates), states(d.states), extra(d.extra);
  const PanelProduct<scalar_t> recurrent(d.weight_hh.t());
  for_each_step(steps, d.reverse, false, first, last, [&](const Group& group) {
    recurrent.add(group.previous_count, states[group.previous], states.stride, gates[group.row],
                  gates.stride);
    for (int64_t n = 0; n < group.count; ++n)
      lstm_cell<scalar_t>({hidden, gates[group.row + n],
                           n < group.previous_count ? extra[group.previous + n] : nullptr,
                           extra[group.row + n], states[group.row + n]});
  });
}

/// `dstates` [tokens, H] is the gradient from above and takes what flows back in time; `dgates` becomes the
/// gradient before the activations.
template <typename scalar_t>
void lstm_backward(const Direction& d, const Steps& steps, int64_t first, int64_t last,
                   const at::Tensor& dstates, const at::Tensor& dgates) {
  const int64_t hidden = d.hidden;
  const StateRows<scalar_t> gates(d.gates), extra(d.extra), dstate_rows(dstates), dgate_rows(dgates);
  // Of the cells of a group's sequences, carried from step to step.
  const at::Tensor dcells = at::zeros({last - first, hidden}, d.states.options());
  const StateRows<scalar_t> dcell_rows(dcells);
  const PanelProduct<scalar_t> recurrent(d.weight_hh);
  for_each_step(steps, d.reverse, true, first, last, [&](const Group& group) {
    for (int64_t n = 0; n < group.count; ++n) {
      const scalar_t *gate = gates[group.row + n], *tanh_cell = extra[group.row + n] + hidden;
      const scalar_t* previous = n < group.previous_count ? extra[group.previous + n] : nullptr;
      const scalar_t* dh = dstate_rows[group.row + n];
      scalar_t *dc = dcell_rows[n], *dgate = dgate_rows[group.row + n];
      for (int64_t k = 0; k < hidden; ++k) {
        const scalar_t i = gate[k], f = gate[hidden + k], g = gate[2 * hidden + k], o = gate[3 * hidden + k];
        const scalar_t total = dc[k] + dh[k] * o * (1 - tanh_cell[k] * tanh_cell[k]);
        dgate[k] = total * g * i * (1 - i);
        dgate[hidden + k] = previous ? total * previous[k] * f * (1 - f) : scalar_t(0);
        dgate[2 * hidden + k] = total * i * (1 - g * g);
        dgate[3 * hidden + k] = dh[k] * tanh_cell[k] * o * (1 - o);
        dc[k] = total * f;
      }
    }
    recurrent.add(group.previous_count, dgate_rows[group.row], dgate_rows.stride, dstate_rows[group.previous],
                  dstate_rows.stride);
  });
}

template <typename scalar_t>
void gru_forward(const Direction& d, const Steps& steps, int64_t first, int64_t last) {
  const int64_t hidden = d.hidden;
  const StateRows<scalar_t> gates(d.gates), states(d.states), extra(d.extra);
  // The states' part of the gates, of which the new gate's stays apart.
  const at::Tensor from_states = at::empty({last - first, 3 * hidden}, d.states.options());
  const StateRows<scalar_t> from_state_rows(from_states);
  const PanelProduct<scalar_t> recurrent(d.weight_hh.t());
  const auto* bias = d.bias_hh.const_data_ptr<scalar_t>();
  for_each_step(steps, d.reverse, false, first, last, [&](const Group& group) {
    std::fill_n(from_state_rows[0], group.previous_count * from_state_rows.stride, scalar_t(0));
    recurrent.add(group.previous_count, states[group.previous], states.stride, from_state_rows[0],
                  from_state_rows.stride);
    for (int64_t n = 0; n < group.count; ++n) {
      const bool has_previous = n < group.previous_count;
      gru_cell<scalar_t>({hidden, gates[group.row + n], has_previous ? from_state_rows[n] : nullptr, bias,
                          has_previous ? states[group.previous + n] : nullptr, extra[group.row + n],
                          states[group.row + n]});
    }
  });
}

/// As lstm_backward; `drecurrent` [tokens, 3 H] becomes the gradient of the states' part of the gates, which
/// differs from `dgates` in the new gate.
template <typename scalar_t>
void gru_backward(const Direction& d, const Steps& steps, int64_t first, int64_t last,
                  const at::Tensor& dstates, const at::Tensor& dgates, const at::Tensor& drecurrent) {
  const int64_t hidden = d.hidden;
  const StateRows<scalar_t> gates(d.gates), states(d.states), extra(d.extra), dstate_rows(dstates),
      dgate_rows(dgates), drecurrent_rows(drecurrent);
  const PanelProduct<scalar_t> recurrent(d.weight_hh);
  for_each_step(steps, d.reverse, true, first, last, [&](const Group& group) {
    for (int64_t n = 0; n < group.count; ++n) {
      const scalar_t *gate = gates[group.row + n], *new_part = extra[group.row + n],
                     *dh = dstate_rows[group.row + n];
      const bool has_previous = n < group.previous_count;
      const scalar_t* previous = has_previous ? states[group.previous + n] : nullptr;
      scalar_t* dprevious = has_previous ? dstate_rows[group.previous + n] : nullptr;
      scalar_t *dgate = dgate_rows[group.row + n], *dpart = drecurrent_rows[group.row + n];
      for (int64_t k = 0; k < hidden; ++k) {
        const scalar_t r = gate[k], z = gate[hidden + k], candidate = gate[2 * hidden + k];
        const scalar_t dnew = dh[k] * (1 - z) * (1 - candidate * candidate);
        const scalar_t dreset = dnew * new_part[k] * r * (1 - r);
        const scalar_t dupdate = dh[k] * ((previous ? previous[k] : scalar_t(0)) - candidate) * z * (1 - z);
        dgate[k] = dpart[k] = dreset;
        dgate[hidden + k] = dpart[hidden + k] = dupdate;
        dgate[2 * hidden + k] = dnew;
        dpart[2 * hidden + k] = dnew * r;
        if (dprevious) dprevious[k] += dh[k] * z;
      }
    }
    recurrent.add(group.previous_count, drecurrent_rows[group.row], drecurrent_rows.stride,
                  dstate_rows[group.previous], dstate_rows.stride);
  });
}

/// The states that each row's step began with `[tokens, H]`: zero for a sequence's first.
at::Tensor previous_states(const Direction& d, const Steps& steps) {
  at::Tensor previous = at::zeros(d.states.sizes(), d.states.options());
  for_each_step(steps, d.reverse, false, 0, steps.sizes.front(), [&](const Group& group) {
    if (group.previous_count > 0)
      previous.narrow(0, group.row, group.previous_count)
          .copy_(d.states.narrow(0, group.previous, group.previous_count));
  });
  return previous;
}

class BidirectionalCpu : public torch::autograd::Function<BidirectionalCpu> {
 public:
  /// `parameters` as RecurrentLayer's, the eight of them.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& batch_sizes,
                            bool lstm, const at::Tensor& w0, const at::Tensor& u0, const at::Tensor& b0,
                            const at::Tensor& c0, const at::Tensor& w1, const at::Tensor& u1,
                            const at::Tensor& b1, const at::Tensor& c1) {
    const int64_t hidden = u0.size(1), tokens = x.size(0);
    const Steps steps = steps_of(batch_sizes);
    const at::Tensor weight_ih = at::cat({w0, w1});
    // LSTM's two biases only ever appear as their sum; GRU's second one stands inside the
    // reset gate's product.
    const at::Tensor bias = lstm ? at::cat({b0 + c0, b1 + c1}) : at::cat({b0, b1});
    const at::Tensor gates = matmul_transposed(x, weight_ih, bias);
    const at::Tensor states = at::empty({tokens, 2 * hidden}, x.options());
    const at::Tensor extra = at::empty({tokens, (lstm ? 4 : 2) * hidden}, x.options());
    const auto of = directions(gates, states, extra, {u0, u1}, {c0, c1});
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "bidirectional", [&] {
      for_each_group(steps.sizes.front(), [&](int64_t direction, int64_t first, int64_t last) {
        const Direction& d = of[static_cast<size_t>(direction)];
        lstm ? lstm_forward<scalar_t>(d, steps, first, last) : gru_forward<scalar_t>(d, steps, first, last);
      });
    });
    context->save_for_backward({x, batch_sizes, weight_ih, gates, states, extra, u0, u1, c0, c1});
    context->saved_data["lstm"] = lstm;
    return states;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight_ih = saved[2], &gates = saved[3], &states = saved[4];
    const bool lstm = context->saved_data["lstm"].toBool();
    const Steps steps = steps_of(saved[1]);
    const auto of = directions(gates, states, saved[5], {saved[6], saved[7]}, {saved[8], saved[9]});
    const int64_t hidden = of[0].hidden, width = gates.size(1) / 2;
    const at::Tensor dstates =
        gradients[0].clone(at::MemoryFormat::Contiguous);  // takes what flows back in time
    const at::Tensor dgates = at::empty_like(gates);
    const at::Tensor drecurrent = lstm ? dgates : at::empty_like(gates);
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "bidirectional_backward", [&] {
      for_each_group(steps.sizes.front(), [&](int64_t direction, int64_t first, int64_t last) {
        const Direction& d = of[static_cast<size_t>(direction)];
        const at::Tensor dh = dstates.narrow(1, direction * hidden, hidden);
        const at::Tensor dg = dgates.narrow(1, direction * width, width);
        if (lstm)
          lstm_backward<scalar_t>(d, steps, first, last, dh, dg);
        else
          gru_backward<scalar_t>(d, steps, first, last, dh, dg,
                                 drecurrent.narrow(1, direction * width, width));
      });
    });
    const at::Tensor dweight_ih = matmul_transposed(dgates.t(), x.t());
    // Two tensors even where they are equal: autograd keeps what it is given and adds the next pass to
    // it in place.
    const at::Tensor dbias = dgates.sum(0), dbias_hh = lstm ? dbias.clone() : drecurrent.sum(0);
    variable_list result{matmul_transposed(dgates, weight_ih.t()), {}, {}};
    for (int64_t direction = 0; direction < 2; ++direction) {
      const at::Tensor previous = previous_states(of[static_cast<size_t>(direction)], steps);
      result.push_back(dweight_ih.narrow(0, direction * width, width));
      result.push_back(matmul_transposed(drecurrent.narrow(1, direction * width, width).t(), previous.t()));
      result.push_back(dbias.narrow(0, direction * width, width));
      result.push_back(dbias_hh.narrow(0, direction * width, width));
    }
    return result;
  }

 private:
  /// Views of the two directions into tensors that hold both side by side.
  static std::vector<Direction> directions(const at::Tensor& gates, const at::Tensor& states,
                                           const at::Tensor& extra, const std::vector<at::Tensor>& weight_hh,
                                           const std::vector<at::Tensor>& bias_hh) {
    std::vector<Direction> result;
    for (int64_t i = 0; i < 2; ++i) {
      const auto half = [&](const at::Tensor& both) {
        return both.detach().chunk(2, 1)[static_cast<size_t>(i)];
      };
      const auto at = static_cast<size_t>(i);
      result.push_back({i == 1, states.size(1) / 2, weight_hh[at].detach(), bias_hh[at].detach(), half(gates),
                        half(states), half(extra)});
    }
    return result;
  }
};

}  // namespace

at::Tensor cpu::bidirectional(const at::Tensor& x, const at::Tensor& batch_sizes,
                              const RecurrentLayer& layer) {
  const auto& p = layer.parameters;
  return BidirectionalCpu::apply(x, batch_sizes, layer.cell == Cell::kLstm, p[0], p[1], p[2], p[3], p[4],
                                 p[5], p[6], p[7]);
}

}  // namespace rat
