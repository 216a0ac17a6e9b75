#include "layers/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include "core/held.h"
#include "core/kernels.h"
#include "core/savings.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The widest head that the kernels of CUDA hold in shared memory.
constexpr int64_t kWidestCudaHead = 128;

using HeldShape = Held<AttentionShape>;

class Attention : public torch::autograd::Function<Attention> {
 public:
  /// No `first_queries` where the queries stand in `qkv`.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& first_queries,
                            const c10::intrusive_ptr<HeldShape>& held) {
    const auto [out, log_sums] =
        kernels::attention.on(qkv.device())(qkv, first_queries.value_or(qkv), held->value);
    // Without log sums the backward pass does not look at the result either.
    context->save_for_backward(
        {qkv, first_queries.value_or(at::Tensor()), log_sums.defined() ? out : at::Tensor(), log_sums});
    context->saved_data["shape"] = c10::IValue::make_capsule(held);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["shape"].toCapsule();
    const AttentionShape& shape = static_cast<const HeldShape&>(*capsule).value;
    const auto [dqkv, dqueries] = kernels::attention_backward.on(saved[0].device())(
        gradients[0].contiguous(), saved[0], shape.first_only ? saved[1] : saved[0], saved[2], saved[3],
        shape);
    return {dqkv, shape.first_only ? dqueries : at::Tensor(), {}};
  }
};

}  // namespace

bool pads_attention(at::Device device, int64_t head_width) {
  return !is_on(Saving::kPacked) || (device.is_cuda() && head_width > kWidestCudaHead);
}

at::Tensor attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                     int64_t heads, const Dropout& dropout, uint32_t layer) {
  const bool first_only = first_queries.defined();
  const int64_t head_width = qkv.size(1) / (first_only ? 2 : 3) / heads;
  if (pads_attention(qkv.device(), head_width))
    return padded_attention(qkv, first_queries, rows, heads, dropout, layer);
  return Attention::apply(
      qkv, first_only ? std::optional(first_queries) : std::nullopt,
      hold(AttentionShape{rows.sequences, rows.longest, heads, head_width, rows.starts, rows.starts_index,
                          rows.ends_index, first_only,
                          dropout.mask(rows.sequence_rows, DropoutSite::kAttention, layer)}));
}

}  // namespace rat
