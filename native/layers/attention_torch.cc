// LibTorch's attention as it stands in ATen: FlashAttention 2 (Dao, 2023) in bf16, and in fp32 the memory-efficient attention
// (Rabe and Staats, 2021) of xFormers. One dropout rate for all rows of a call, whose masks LibTorch's generator draws. Their
// backward passes add up what threads find in no fixed order.
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/check.h"
#include "core/device.h"
#include "core/held.h"
#include "layers/attention.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Queries, keys and values `[rows, heads, head width]`, views of what the layer is given, and where sequences begin.
struct TorchRows {
  at::Tensor queries, keys, values;
  at::Tensor query_starts, key_starts;  // [S + 1] int32

  TorchRows(const at::Tensor& qkv, const at::Tensor& first_queries, int64_t heads, const Starts32& starts)
      : query_starts(first_queries.defined() ? starts.of_first_tokens : starts.of_tokens),
        key_starts(starts.of_tokens) {
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
struct TorchCall {
  int64_t longest, most_queries, heads;
  double rate;
};

/// What a forward pass leaves for its backward pass.
struct Attended {
  at::Tensor out;       // [rows, heads, head width]
  at::Tensor log_sums;  // as its kernel lays them out
  at::Tensor seed, offset;
};

Attended flash_forward(const TorchRows& rows, const TorchCall& call) {
  const auto [out, log_sums, seed, offset, unused] = at::_flash_attention_forward(
      rows.queries, rows.keys, rows.values, rows.query_starts, rows.key_starts, call.most_queries,
      call.longest, call.rate, /*is_causal=*/false, /*return_debug_mask=*/false);
  return {out, log_sums, seed, offset};
}

variable_list flash_backward(const at::Tensor& dout, const TorchRows& rows, const Attended& done,
                             const TorchCall& call) {
  const auto [dqueries, dkeys, dvalues] = at::_flash_attention_backward(
      dout, rows.queries, rows.keys, rows.values, done.out, done.log_sums, rows.query_starts, rows.key_starts,
      call.most_queries, call.longest, call.rate, /*is_causal=*/false, done.seed, done.offset);
  return {dqueries, dkeys, dvalues};
}

/// It takes a batch of one.
Attended efficient_forward(const TorchRows& rows, const TorchCall& call, bool needs_log_sums) {
  const auto [out, log_sums, seed, offset, unused_queries, unused_keys] = at::_efficient_attention_forward(
      rows.queries.unsqueeze(0), rows.keys.unsqueeze(0), rows.values.unsqueeze(0), /*bias=*/{},
      rows.query_starts, rows.key_starts, call.most_queries, call.longest, call.rate,
      /*custom_mask_type=*/0, needs_log_sums);
  return {out.squeeze(0), log_sums, seed, offset};
}

variable_list efficient_backward(const at::Tensor& dout, const TorchRows& rows, const Attended& done,
                                 const TorchCall& call) {
  const auto [dqueries, dkeys, dvalues, unused] = at::_efficient_attention_backward(
      dout.unsqueeze(0), rows.queries.unsqueeze(0), rows.keys.unsqueeze(0), rows.values.unsqueeze(0),
      /*bias=*/{}, done.out.unsqueeze(0), rows.query_starts, rows.key_starts, call.most_queries, call.longest,
      done.log_sums, call.rate, done.seed, done.offset, /*custom_mask_type=*/0, /*bias_requires_grad=*/false);
  return {dqueries.squeeze(0), dkeys.squeeze(0), dvalues.squeeze(0)};
}

/// Sequences end to end, with nothing between them.
class TorchAttention : public torch::autograd::Function<TorchAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& first_queries, const at::Tensor& token_starts,
                            const at::Tensor& first_token_starts,
                            const c10::intrusive_ptr<Held<TorchCall>>& held) {
    const TorchCall& call = held->value;
    const at::Tensor queries = first_queries.value_or(at::Tensor());
    const TorchRows rows(qkv, queries, call.heads, {token_starts, first_token_starts});
    const bool needs_log_sums = qkv.requires_grad() || (queries.defined() && queries.requires_grad());
    const Attended done = qkv.scalar_type() == at::kFloat ? efficient_forward(rows, call, needs_log_sums)
                                                          : flash_forward(rows, call);
    context->save_for_backward(
        {qkv, queries, done.out, done.log_sums, token_starts, first_token_starts, done.seed, done.offset});
    context->saved_data["call"] = c10::IValue::make_capsule(held);
    return done.out.flatten(1);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["call"].toCapsule();
    const TorchCall& call = static_cast<const Held<TorchCall>&>(*capsule).value;
    const TorchRows rows(saved[0], saved[1], call.heads, {saved[4], saved[5]});
    const Attended done{saved[2], saved[3], saved[6], saved[7]};
    const at::Tensor dout = gradients[0].contiguous().view_as(done.out);
    const variable_list of_parts = saved[0].scalar_type() == at::kFloat
                                       ? efficient_backward(dout, rows, done, call)
                                       : flash_backward(dout, rows, done, call);
    const at::Tensor dq = of_parts[0].flatten(1), dk = of_parts[1].flatten(1), dv = of_parts[2].flatten(1);
    if (saved[1].defined()) return {at::cat({dk, dv}, 1), dq, {}, {}, {}};
    return {at::cat({dq, dk, dv}, 1), {}, {}, {}, {}};
  }
};

/// The numbers of a head must be a multiple of it: what kernels read at once.
int64_t head_unit(at::ScalarType compute) { return compute == at::kFloat ? 4 : 8; }
constexpr int64_t kWidestHead = 256;
/// That FlashAttention 2 demands.
constexpr int kLeastFlashCapability = 80;

bool has_kernel(at::Device device, at::ScalarType compute) {
  if (!device.is_cuda()) return false;
  return compute == at::kFloat ||
         (compute == at::kBFloat16 && compute_capability(device) >= kLeastFlashCapability);
}

}  // namespace

bool has_torch_attention(at::Device device, at::ScalarType compute, int64_t head_width) {
  return has_kernel(device, compute) && head_width % head_unit(compute) == 0 && head_width <= kWidestHead;
}

void require_torch_attention(at::Device device, at::ScalarType compute, int64_t head_width) {
  RAT_CHECK(
      has_kernel(device, compute), "ERR_RAT_CONFIG",
      "LibTorch's attention (attentionRng torch) needs a GPU, and fp32, or bf16 and compute capability 8");
  RAT_CHECK(has_torch_attention(device, compute, head_width), "ERR_RAT_CONFIG",
            "LibTorch's attention (attentionRng torch) takes heads of a multiple of ", head_unit(compute),
            " numbers up to ", kWidestHead, ", not of ", head_width);
}

at::Tensor torch_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                           int64_t heads, const Dropout& dropout) {
  const bool first_only = first_queries.defined();
  std::vector<double> rates = dropout.attention_rates;
  rates.resize(static_cast<size_t>(rows.copies), 0);
  const auto of = [&](const at::Tensor& x, const at::Tensor& queries, const Starts32& starts, double rate) {
    return TorchAttention::apply(x, first_only ? std::optional(queries) : std::nullopt, starts.of_tokens,
                                 starts.of_first_tokens,
                                 hold(TorchCall{rows.longest, first_only ? 1 : rows.longest, heads, rate}));
  };
  if (std::count(rates.begin(), rates.end(), rates[0]) == rows.copies)
    return of(qkv, first_queries, rows.starts_32, rates[0]);
  const int64_t tokens = rows.tokens / rows.copies, sequences = rows.sequences / rows.copies;
  const Starts32 starts{rows.starts_32.of_tokens.narrow(0, 0, sequences + 1),
                        rows.starts_32.of_first_tokens.narrow(0, 0, sequences + 1)};
  std::vector<at::Tensor> copies;
  for (int64_t copy = 0; copy < rows.copies; ++copy)
    copies.push_back(of(qkv.narrow(0, copy * tokens, tokens),
                        first_only ? first_queries.narrow(0, copy * sequences, sequences) : at::Tensor(),
                        starts, rates[static_cast<size_t>(copy)]));
  return at::cat(copies);
}

}  // namespace rat
