// CUDA side of layers/add_norm.h: a warp a row.
#include <ATen/Dispatch.h>
#include <c10/util/BFloat16.h>

#include "core/kernels.h"
#include "cuda/column_sums.cuh"
#include "cuda/norm_row.cuh"
#include "layers/add_norm.h"

namespace rat::cuda {
namespace {

template <typename element_t, typename number_t>
__global__ void __launch_bounds__(kRowThreads)
    add_norm_forward(const element_t* x, const number_t* residual, const number_t* weight,
                     const number_t* bias, double eps, int64_t rows, int64_t width, RowMasks masks,
                     number_t* y, number_t* sums, number_t* stats) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const NormRow at(row, width, masks);
  x += row * width;
  residual += row * width;
  y += row * width;
  sums += row * width;
  number_t total = 0, mean, rate;
  at.template for_each_masked<number_t>([&](int64_t i, number_t factor) {
    const number_t masked = factor == number_t(0) ? number_t(0) : static_cast<number_t>(x[i]) * factor;
    sums[i] = residual[i] + masked;
    total += sums[i];
  });
  normalise(at, sums, total, eps, mean, rate);
  at.for_each([&](int64_t i) { y[i] = (sums[i] - mean) * rate * weight[i] + bias[i]; });
  if (at.lane > 0) return;
  stats[2 * row] = mean;
  stats[2 * row + 1] = rate;
}

/// `dx` may be null: it is `dsum` then.
template <typename element_t, typename number_t>
__global__ void __launch_bounds__(kRowThreads)
    add_norm_dx(const number_t* dy, const number_t* sums, const number_t* stats, const number_t* weight,
                int64_t rows, int64_t width, RowMasks masks, number_t* dsum, element_t* dx) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const NormRow at(row, width, masks);
  dy += row * width;
  sums += row * width;
  dsum += row * width;
  const number_t mean = stats[2 * row], rate = stats[2 * row + 1];
  number_t of_all = 0, of_products = 0;
  for (int64_t i = at.lane; i < width; i += 32) {
    const number_t g = dy[i] * weight[i];
    of_all += g;
    of_products += g * (sums[i] - mean) * rate;
  }
  of_all = warp_sum(of_all) / static_cast<number_t>(width);
  of_products = warp_sum(of_products) / static_cast<number_t>(width);
  at.template for_each_masked<number_t>([&](int64_t i, number_t factor) {
    const number_t d = rate * (dy[i] * weight[i] - of_all - (sums[i] - mean) * rate * of_products);
    dsum[i] = d;
    if (dx) dx[row * width + i] = static_cast<element_t>(factor == number_t(0) ? number_t(0) : d * factor);
  });
}

/// The gradients of weight and bias.
template <typename number_t>
__global__ void add_norm_columns(const number_t* dy, const number_t* sums, const number_t* stats,
                                 int64_t rows, int64_t width, number_t* parts) {
  RAT_SHARED(number_t, scratch, 2 * kColumns * kLanes);
  add_columns<2>(rows, width, scratch, parts, [&](int64_t row, int64_t column, number_t* of_column) {
    const number_t slope = dy[row * width + column];
    of_column[0] += slope * (sums[row * width + column] - stats[2 * row]) * stats[2 * row + 1];
    of_column[1] += slope;
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> add_norm(const at::Tensor& x, const at::Tensor& residual,
                                                        const at::Tensor& weight, const at::Tensor& bias,
                                                        double eps, const SiteMask& mask) {
  const at::Tensor y = at::empty_like(residual), sum = at::empty_like(residual);
  const at::Tensor stats = at::empty({x.size(0), 2}, residual.options());
  if (x.numel() == 0) return {y, sum, stats};
  with_norm_types(x.scalar_type(), residual.scalar_type(), [&](auto element, auto number) {
    using Element = decltype(element);
    using Number = decltype(number);
    constexpr auto kernel = add_norm_forward<Element, Number>;
    RAT_LAUNCH(kernel, blocks_of_rows(x.size(0)), kRowThreads, x.const_data_ptr<Element>(),
               residual.const_data_ptr<Number>(), weight.const_data_ptr<Number>(),
               bias.const_data_ptr<Number>(), eps, x.size(0), x.size(1), masks_of(mask), y.data_ptr<Number>(),
               sum.data_ptr<Number>(), stats.data_ptr<Number>());
  });
  return {y, sum, stats};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> add_norm_backward(
    const at::Tensor& dy, const at::Tensor& sum, const at::Tensor& stats, const at::Tensor& weight,
    at::ScalarType type, const SiteMask& mask) {
  const int64_t rows = sum.size(0), width = sum.size(1);
  const std::pair<at::Tensor, at::Tensor> gradients = empty_gradients(sum, type, mask);
  const at::Tensor &dx = gradients.first, &dsum = gradients.second;
  const at::Tensor parts = at::empty({parts_of(rows), 2, width}, sum.options());
  if (rows > 0)
    with_norm_types(type, sum.scalar_type(), [&](auto element, auto number) {
      using Element = decltype(element);
      using Number = decltype(number);
      constexpr auto kernel = add_norm_dx<Element, Number>;
      RAT_LAUNCH(kernel, blocks_of_rows(rows), kRowThreads, dy.const_data_ptr<Number>(),
                 sum.const_data_ptr<Number>(), stats.const_data_ptr<Number>(),
                 weight.const_data_ptr<Number>(), rows, width, masks_of(mask), dsum.data_ptr<Number>(),
                 dx.is_same(dsum) ? nullptr : dx.data_ptr<Element>());
      RAT_LAUNCH(add_norm_columns<Number>, blocks_of_columns(rows, width), dim3(kColumns, kLanes),
                 dy.const_data_ptr<Number>(), sum.const_data_ptr<Number>(), stats.const_data_ptr<Number>(),
                 rows, width, parts.data_ptr<Number>());
    });
  const at::Tensor both = parts.sum(0);
  return {dx, dsum, both[0], both[1]};
}

}  // namespace rat::cuda
