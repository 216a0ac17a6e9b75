#include "layers/rows.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/kernels.h"
#include "core/lanes.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class TakeRows : public torch::autograd::Function<TakeRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& index) {
    context->saved_data["index"] = index;
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, index);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor& dy = gradients[0];
    at::Tensor dx = at::zeros({context->saved_data["rows"].toInt(), dy.size(1)}, dy.options());
    dx.index_copy_(0, context->saved_data["index"].toTensor(), dy);
    return {dx, {}};
  }
};

class PermuteRows : public torch::autograd::Function<PermuteRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& order,
                            const at::Tensor& inverse) {
    context->saved_data["inverse"] = inverse;
    return x.index_select(0, order);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {gradients[0].index_select(0, context->saved_data["inverse"].toTensor()), {}, {}};
  }
};

template <typename scalar_t>
void add_segments_cpu(const at::Tensor& x, const Segments& segments, int64_t copies, at::Tensor& sums) {
  const int64_t width = x.size(1), rows_of_copy = x.size(0) / copies;
  const auto* starts = segments.starts.const_data_ptr<int32_t>();
  const auto* rows = segments.rows.const_data_ptr<int32_t>();
  const auto* values = x.const_data_ptr<scalar_t>();
  auto* out = sums.data_ptr<scalar_t>();
  // A segment belongs to one task and its rows are added in their order: no locks, the same bits with
  // any thread count.
  in_parallel(segments.count, least_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t segment = begin; segment < end; ++segment) {
      scalar_t* sum = out + segment * width;
      for (int64_t copy = 0; copy < copies; ++copy)
        for (int32_t i = starts[segment]; i < starts[segment + 1]; ++i) {
          const scalar_t* row = values + (copy * rows_of_copy + rows[i]) * width;
          for (int64_t d = 0; d < width; ++d) sum[d] += row[d];
        }
    }
  });
}

}  // namespace

void cpu::add_segments(const at::Tensor& x, const Segments& segments, int64_t copies, at::Tensor& sums) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "add_segments",
                             [&] { add_segments_cpu<scalar_t>(x, segments, copies, sums); });
}

at::Tensor take_rows(const at::Tensor& x, const at::Tensor& index) { return TakeRows::apply(x, index); }

at::Tensor permute_rows(const at::Tensor& x, const at::Tensor& order, const at::Tensor& inverse) {
  return PermuteRows::apply(x, order, inverse);
}

}  // namespace rat
