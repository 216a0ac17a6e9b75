// One sequence is one task: its scores, probabilities and mask are made, used and thrown away, and made again
// in the backward pass, so that memory grows with the tokens and not with their squares.
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "layers/attention.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// One sequence of a forward.
struct Sequence {
  int64_t index, first, length, queries;
  uint32_t example, pass;
};

/// All but the tensors: what the backward pass needs to do the same again.
struct Shape : torch::CustomClassHolder {
  std::vector<Sequence> sequences;
  int64_t heads, head_width;
  bool first_only;  // queries of first tokens alone: they stand in a tensor of their own
  int64_t k, v;     // columns where keys and values begin
  Dropout dropout;
  uint32_t layer;
};
using ShapePointer = c10::intrusive_ptr<Shape>;

ShapePointer shape_of(const ForwardRows& rows, int64_t width, int64_t heads, bool first_only,
                      const Dropout& dropout, uint32_t layer) {
  const ShapePointer pointer = c10::make_intrusive<Shape>();
  Shape& shape = *pointer;
  shape.heads = heads;
  shape.head_width = width / heads;
  shape.first_only = first_only;
  shape.k = first_only ? 0 : width;
  shape.v = shape.k + width;
  shape.dropout = dropout;
  shape.layer = layer;
  const auto* examples = rows.sequence_rows.example_ids.const_data_ptr<int32_t>();
  const auto* passes = rows.sequence_rows.passes.const_data_ptr<int32_t>();
  for (int64_t s = 0; s < rows.sequences; ++s) {
    const int64_t first = rows.starts[static_cast<size_t>(s)];
    const int64_t length = rows.starts[static_cast<size_t>(s) + 1] - first;
    shape.sequences.push_back({s, first, length, first_only ? 1 : length, static_cast<uint32_t>(examples[s]),
                               static_cast<uint32_t>(passes[s])});
  }
  return pointer;
}

/// Runs `task(sequence)` on all threads; each gets a run of sequences of about the same work.
template <typename Task>
void for_each_sequence(const Shape& shape, Task task) {
  constexpr int64_t kFixedCost = 64;  // a call's overhead in tokens
  const auto cost = [](const Sequence& s) { return (s.length + kFixedCost) * (s.queries + kFixedCost); };
  int64_t total = 0;
  for (const Sequence& sequence : shape.sequences) total += cost(sequence);
  const int64_t threads = at::get_num_threads();
  std::vector<size_t> limits(static_cast<size_t>(threads) + 1, shape.sequences.size());
  limits[0] = 0;
  int64_t seen = 0, next = 1;
  for (size_t i = 0; i < shape.sequences.size() && next < threads; ++i) {
    seen += cost(shape.sequences[i]);
    while (next < threads && seen >= total * next / threads) limits[static_cast<size_t>(next++)] = i + 1;
  }
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    // A pool thread has its own dispatch state: what is done here must not be recorded.
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    for (size_t i = limits[static_cast<size_t>(begin)]; i < limits[static_cast<size_t>(end)]; ++i)
      task(shape.sequences[i]);
  });
}

/// Columns [column, column + D) of a sequence's rows as `[H, rows, width]`, a view.
at::Tensor heads_of(const at::Tensor& x, int64_t first, int64_t count, int64_t column, const Shape& shape) {
  return x.narrow(0, first, count)
      .narrow(1, column, shape.heads * shape.head_width)
      .unflatten(1, {shape.heads, shape.head_width})
      .transpose(0, 1);
}

at::Tensor probabilities(const at::Tensor& q, const at::Tensor& k, int64_t head_width) {
  const auto accumulate = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const double scale = 1 / std::sqrt(static_cast<double>(head_width));
  return at::_softmax(at::bmm(q * scale, k.transpose(1, 2)).to(accumulate), -1, false);
}

template <typename scalar_t>
void fill_mask(scalar_t* mask, const Sequence& s, const Shape& shape) {
  const StepScalars& scalars = shape.dropout.host();
  constexpr auto kKind = static_cast<size_t>(kind_of(DropoutSite::kAttention));
  const uint32_t threshold = scalars.dropout_threshold[kKind][s.pass];
  const auto kept = static_cast<scalar_t>(scalars.dropout_scale[kKind][s.pass]);
  // All queries: one run of elements from 0 on. The first alone: a run for each head.
  const int64_t runs = s.queries == s.length ? 1 : shape.heads;
  const int64_t run = shape.heads * s.queries * s.length / runs;
  const int64_t stride = s.length * s.length;
  std::vector<uint32_t> bits(static_cast<size_t>(run + 8));
  for (int64_t r = 0; r < runs; ++r) {
    const int64_t first = r * stride, lead = first % 4;
    philox_fill(bits.data(), (lead + run + 3) / 4, scalars.step, s.example,
                dropout_site(DropoutSite::kAttention, shape.layer) | s.pass, static_cast<uint32_t>(first / 4),
                scalars.dropout_key);
    for (int64_t i = 0; i < run; ++i)
      mask[r * run + i] = bits[static_cast<size_t>(lead + i)] >= threshold ? kept : scalar_t(0);
  }
}

/// `[H, queries, length]`: 0 or 1 / (1 - rate).
at::Tensor mask_of(const Sequence& s, const Shape& shape, at::ScalarType type) {
  at::Tensor mask = at::empty({shape.heads, s.queries, s.length}, at::TensorOptions().dtype(type));
  if (type == at::kDouble)
    fill_mask(mask.data_ptr<double>(), s, shape);
  else
    fill_mask(mask.data_ptr<float>(), s, shape);
  return mask;
}

/// A sequence's queries, keys and values by head, as views.
struct Inputs {
  at::Tensor q, k, v;
};

Inputs inputs_of(const at::Tensor& qkv, const at::Tensor& queries, const Sequence& s, const Shape& shape) {
  return {heads_of(queries, shape.first_only ? s.index : s.first, s.queries, 0, shape),
          heads_of(qkv, s.first, s.length, shape.k, shape), heads_of(qkv, s.first, s.length, shape.v, shape)};
}

at::Tensor forward_all(const at::Tensor& qkv, const at::Tensor& queries, const Shape& shape) {
  at::Tensor out = at::empty({queries.size(0), shape.heads * shape.head_width}, qkv.options());
  for_each_sequence(shape, [&](const Sequence& s) {
    const auto [q, k, v] = inputs_of(qkv, queries, s, shape);
    const at::Tensor p = probabilities(q, k, shape.head_width);
    if (shape.dropout.active(DropoutSite::kAttention)) p.mul_(mask_of(s, shape, p.scalar_type()));
    heads_of(out, shape.first_only ? s.index : s.first, s.queries, 0, shape)
        .copy_(at::bmm(p.to(v.scalar_type()), v));
  });
  return out;
}

/// With P the probabilities, M the mask, O = (P M) V:  dV = (P M)^T dO,  dS = P (dP - rowsum(dP P)) with
/// dP = (dO V^T) M,  dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width).
void backward_all(const at::Tensor& qkv, const at::Tensor& queries, const at::Tensor& dout,
                  const Shape& shape, at::Tensor& dqkv, at::Tensor& dqueries) {
  const double scale = 1 / std::sqrt(static_cast<double>(shape.head_width));
  for_each_sequence(shape, [&](const Sequence& s) {
    const auto [q, k, v] = inputs_of(qkv, queries, s, shape);
    const auto [dq, dk, dv] = inputs_of(dqkv, dqueries, s, shape);
    const at::Tensor dcontext = heads_of(dout, shape.first_only ? s.index : s.first, s.queries, 0, shape);
    const at::Tensor p = probabilities(q, k, shape.head_width);
    at::Tensor dp = at::bmm(dcontext, v.transpose(1, 2)).to(p.scalar_type());
    at::Tensor masked = p;
    if (shape.dropout.active(DropoutSite::kAttention)) {
      const at::Tensor mask = mask_of(s, shape, p.scalar_type());
      masked = p * mask;
      dp.mul_(mask);
    }
    dv.copy_(at::bmm(masked.to(v.scalar_type()).transpose(1, 2), dcontext));
    const at::Tensor ds =
        at::_softmax_backward_data(dp, p, -1, p.scalar_type()).mul_(scale).to(v.scalar_type());
    dq.copy_(at::bmm(ds, k));
    dk.copy_(at::bmm(ds.transpose(1, 2), q));
  });
}

class CpuAttention : public torch::autograd::Function<CpuAttention> {
 public:
  /// No `queries` where they stand in `qkv`.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& queries, const ShapePointer& shape) {
    context->save_for_backward({qkv, queries.value_or(at::Tensor())});
    context->saved_data["shape"] = c10::IValue::make_capsule(shape);
    return forward_all(qkv, queries.value_or(qkv), *shape);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["shape"].toCapsule();
    const auto& shape = static_cast<const Shape&>(*capsule);
    at::Tensor dqkv = at::empty_like(saved[0]);
    at::Tensor dqueries = shape.first_only ? at::empty_like(saved[1]) : dqkv;
    backward_all(saved[0], shape.first_only ? saved[1] : saved[0], gradients[0].contiguous(), shape, dqkv,
                 dqueries);
    return {dqkv, shape.first_only ? dqueries : at::Tensor(), {}};
  }
};

}  // namespace

at::Tensor cpu::attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                          int64_t heads, const Dropout& dropout, uint32_t layer) {
  const bool first_only = first_queries.defined();
  return CpuAttention::apply(
      qkv, first_only ? std::optional(first_queries) : std::nullopt,
      shape_of(rows, qkv.size(1) / (first_only ? 2 : 3), heads, first_only, dropout, layer));
}

}  // namespace rat
