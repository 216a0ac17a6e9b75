#include "layers/embedding_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/held.h"
#include "core/kernels.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What the backward pass needs of the forward's rows.
struct Gathered {
  Segments by_position, by_token_type;
  int64_t first_position, copies;
  bool are_typed;  // else all rows have type 0
  SiteMask mask;
};

class EmbeddingNorm : public torch::autograd::Function<EmbeddingNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& positions,
                            const std::optional<at::Tensor>& token_types, const at::Tensor& weight,
                            const at::Tensor& bias, double eps, const std::optional<at::Tensor>& type_of_row,
                            const c10::intrusive_ptr<Held<Gathered>>& held) {
    const Gathered& gathered = held->value;
    const int64_t first = gathered.first_position;
    const auto [y, sum, stats] = kernels::embedding_norm.on(x.device())(
        x.contiguous(), positions.narrow(0, first, positions.size(0) - first),
        token_types.value_or(at::Tensor()), type_of_row.value_or(at::Tensor()), weight, bias, eps,
        gathered.mask);
    context->save_for_backward({sum, stats, weight});
    context->saved_data["gathered"] = c10::IValue::make_capsule(held);
    context->saved_data["positions"] = positions.size(0);
    context->saved_data["types"] = token_types ? token_types->size(0) : 0;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["gathered"].toCapsule();
    const Gathered& gathered = static_cast<const Held<Gathered>&>(*capsule).value;
    const at::Tensor& sum = saved[0];
    const at::Device device = sum.device();
    at::Tensor dy = gradients[0].contiguous();
    if (gathered.mask.is_active()) dy = kernels::dropout_mask.on(device)(dy, gathered.mask, dy.size(1));
    const auto [dx, dsum, dweight, dbias] = kernels::add_norm_backward.on(device)(
        dy, sum, saved[1], saved[2], sum.scalar_type(), gathered.mask.inactive());
    const auto of_table = [&](const char* size, int64_t first, const Segments& segments) {
      at::Tensor dtable = at::zeros({context->saved_data[size].toInt(), dsum.size(1)}, dsum.options());
      at::Tensor used = dtable.narrow(0, first, segments.count);
      kernels::add_segments.on(device)(dsum, segments, gathered.copies, used);
      return dtable;
    };
    variable_list result(8);
    result[0] = dx;
    if (context->needs_input_grad(1))
      result[1] = of_table("positions", gathered.first_position, gathered.by_position);
    const bool has_types = context->saved_data["types"].toInt() > 0;
    if (has_types && context->needs_input_grad(2)) {
      if (gathered.are_typed) {
        result[2] = of_table("types", 0, gathered.by_token_type);
      } else {
        result[2] = at::zeros({context->saved_data["types"].toInt(), dsum.size(1)}, dsum.options());
        result[2].select(0, 0).copy_(dsum.sum(0));
      }
    }
    result[3] = dweight;
    result[4] = dbias;
    return result;
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> cpu::embedding_norm(
    const at::Tensor& x, const at::Tensor& positions, const at::Tensor& token_types,
    const at::Tensor& type_of_row, const at::Tensor& weight, const at::Tensor& bias, double eps,
    const SiteMask& mask) {
  at::Tensor added = positions.index_select(0, mask.rows.positions);
  if (token_types.defined())
    added.add_(type_of_row.defined() ? token_types.index_select(0, type_of_row)
                                     : token_types.narrow(0, 0, 1));
  auto [y, sum, stats] = add_norm(added, x, weight, bias, eps, mask.inactive());
  if (mask.is_active()) y = dropout_mask(y, mask, y.size(1));
  return {y, sum, stats};
}

at::Tensor embedding_norm(const at::Tensor& x, const AddedRows& added, const ForwardRows& rows,
                          const LayerNorm& norm, const Dropout& settings) {
  const auto if_any = [](const at::Tensor& tensor) {
    return tensor.defined() ? std::optional(tensor) : std::nullopt;
  };
  return EmbeddingNorm::apply(x, added.positions, if_any(added.token_types), norm.weight, norm.bias, norm.eps,
                              if_any(rows.token_types),
                              hold(Gathered{rows.by_position, rows.by_token_type, added.first_position,
                                            rows.copies, rows.token_types.defined(),
                                            settings.mask(rows.token_rows, DropoutSite::kEmbeddings, 0)}));
}

}  // namespace rat
