// CUDA side of layers/gelu.h.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/BFloat16.h>

#include "core/kernels.h"
#include "cuda/column_sums.cuh"

namespace rat::cuda {
namespace {

template <typename element_t, typename number_t>
__global__ void __launch_bounds__(kColumns* kLanes)
    gelu_slopes(const element_t* dy, const element_t* x, int64_t rows, int64_t width, element_t* dx,
                number_t* parts) {
  RAT_SHARED(number_t, scratch, kColumns * kLanes);
  add_columns<1>(rows, width, scratch, parts, [&](int64_t row, int64_t column, number_t* sums) {
    const int64_t i = row * width + column;
    const auto at = static_cast<number_t>(x[i]);
    const number_t distribution =
        number_t(0.5) + number_t(0.5) * std::erf(at * number_t(0.70710678118654752));
    const number_t density = number_t(0.39894228040143268) * std::exp(number_t(-0.5) * at * at);
    const number_t slope = static_cast<number_t>(dy[i]) * (distribution + at * density);
    dx[i] = static_cast<element_t>(slope);
    sums[0] += slope;
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& dy, const at::Tensor& x) {
  const int64_t rows = x.size(0), width = x.size(1);
  const at::Tensor dx = at::empty_like(x);
  const auto type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor parts = at::empty({parts_of(rows), width}, x.options().dtype(type));
  if (rows > 0)
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "gelu_backward", [&] {
      using number_t = std::conditional_t<std::is_same_v<scalar_t, double>, double, float>;
      constexpr auto kernel = gelu_slopes<scalar_t, number_t>;
      RAT_LAUNCH(kernel, blocks_of_columns(rows, width), dim3(kColumns, kLanes),
                 dy.const_data_ptr<scalar_t>(), x.const_data_ptr<scalar_t>(), rows, width,
                 dx.data_ptr<scalar_t>(), parts.data_ptr<number_t>());
    });
  return {dx, parts.sum(0)};
}

}  // namespace rat::cuda
