// FlashAttention 2 (Dao, 2023) of LibTorch, as it stands in ATen: one dropout rate for all rows of a call, whose masks
// LibTorch's generator draws.
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/check.h"
#include "core/held.h"
#include "layers/attention.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kWidestFlashHead = 256, kFlashHeadUnit = 8;

/// Queries, keys and values `[rows, heads, head width]`, views of what the layer is given.
struct FlashRows {
  at::Tensor queries, keys, values;

  FlashRows(const at::Tensor& qkv, const at::Tensor& first_queries, int64_t heads) {
    const bool first_only = first_queries.defined();
    const int64_t width = qkv.size(1) / (first_only ? 2 : 3);
    const auto part = [&](int64_t column) {
      return qkv.narrow(1, column, width).unflatten(1, {heads, width / heads});
    };
    queries = first_only ? first_queries.unflatten(1, {heads, width / heads}) : part(0);
    keys = part(first_only ? 0 : width);
    values = part(first_only ? width : 2 * width);
  }
};

/// What a call is told beside tensors, and its backward pass again.
struct FlashCall {
  int64_t longest, most_queries, heads;
  double rate;
};

/// Sequences end to end, with nothing between them.
class FlashAttention : public torch::autograd::Function<FlashAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& first_queries, const at::Tensor& starts,
                            const c10::intrusive_ptr<Held<FlashCall>>& held) {
    const FlashCall& call = held->value;
    const FlashRows rows(qkv, first_queries.value_or(at::Tensor()), call.heads);
    const at::Tensor of_queries = first_queries ? at::arange(starts.size(0), starts.options()) : starts;
    const auto [out, log_sums, seed, offset, unused] = at::_flash_attention_forward(
        rows.queries, rows.keys, rows.values, of_queries, starts, call.most_queries, call.longest, call.rate,
        /*is_causal=*/false, /*return_debug_mask=*/false);
    context->save_for_backward(
        {qkv, first_queries.value_or(at::Tensor()), out, log_sums, starts, of_queries, seed, offset});
    context->saved_data["call"] = c10::IValue::make_capsule(held);
    return out.flatten(1);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["call"].toCapsule();
    const FlashCall& call = static_cast<const Held<FlashCall>&>(*capsule).value;
    const FlashRows rows(saved[0], saved[1], call.heads);
    const auto [dqueries, dkeys, dvalues] = at::_flash_attention_backward(
        gradients[0].contiguous().view_as(saved[2]), rows.queries, rows.keys, rows.values, saved[2], saved[3],
        /*cum_seq_q=*/saved[5], /*cum_seq_k=*/saved[4], call.most_queries, call.longest, call.rate,
        /*is_causal=*/false, saved[6], saved[7]);
    const at::Tensor dq = dqueries.flatten(1), dk = dkeys.flatten(1), dv = dvalues.flatten(1);
    if (saved[1].defined()) return {at::cat({dk, dv}, 1), dq, {}, {}};
    return {at::cat({dq, dk, dv}, 1), {}, {}, {}};
  }
};

}  // namespace

void require_flash_attention(at::Device device, at::ScalarType compute, int64_t head_width) {
  RAT_CHECK(device.is_cuda() && compute == at::kBFloat16, "ERR_RAT_CONFIG",
            "LibTorch's attention (attentionRng torch) needs a GPU and bf16");
  RAT_CHECK(head_width % kFlashHeadUnit == 0 && head_width <= kWidestFlashHead, "ERR_RAT_CONFIG",
            "LibTorch's attention (attentionRng torch) takes heads of a multiple of ", kFlashHeadUnit,
            " numbers up to ", kWidestFlashHead, ", not of ", head_width);
}

at::Tensor flash_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                           int64_t heads, const Dropout& dropout) {
  const bool first_only = first_queries.defined();
  const at::Tensor starts = rows.starts_index.to(at::kInt);
  std::vector<double> rates = dropout.attention_rates;
  rates.resize(static_cast<size_t>(rows.copies), 0);
  const auto of = [&](const at::Tensor& x, const at::Tensor& queries, const at::Tensor& at, double rate) {
    return FlashAttention::apply(x, first_only ? std::optional(queries) : std::nullopt, at,
                                 hold(FlashCall{rows.longest, first_only ? 1 : rows.longest, heads, rate}));
  };
  if (std::count(rates.begin(), rates.end(), rates[0]) == rows.copies)
    return of(qkv, first_queries, starts, rates[0]);
  const int64_t tokens = rows.tokens / rows.copies, sequences = rows.sequences / rows.copies;
  std::vector<at::Tensor> copies;
  for (int64_t copy = 0; copy < rows.copies; ++copy)
    copies.push_back(of(qkv.narrow(0, copy * tokens, tokens),
                        first_only ? first_queries.narrow(0, copy * sequences, sequences) : at::Tensor(),
                        starts.narrow(0, 0, sequences + 1), rates[static_cast<size_t>(copy)]));
  return at::cat(copies);
}

}  // namespace rat
