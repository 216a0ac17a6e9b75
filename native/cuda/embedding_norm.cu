// CUDA side of layers/embedding_norm.h: a warp a row.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/norm_row.cuh"
#include "layers/embedding_norm.h"

namespace rat::cuda {
namespace {

/// `type_of_row` may be null: all rows have type 0. `token_types` may be null: none are added.
template <typename number_t>
__global__ void __launch_bounds__(kRowThreads)
    embedding_norm_forward(const number_t* x, const number_t* position_rows, const number_t* token_types,
                           const int32_t* type_of_row, const number_t* weight, const number_t* bias,
                           double eps, int64_t rows, int64_t width, RowMasks masks, number_t* y,
                           number_t* sums, number_t* stats) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const NormRow at(row, width, masks);
  const number_t* of_position = position_rows + masks.positions[row] * width;
  const number_t* of_type =
      token_types == nullptr ? nullptr : token_types + (type_of_row ? type_of_row[row] : 0) * width;
  x += row * width;
  y += row * width;
  sums += row * width;
  number_t total = 0, mean, rate;
  at.for_each([&](int64_t i) {
    const number_t added = of_type ? of_position[i] + of_type[i] : of_position[i];
    sums[i] = x[i] + added;
    total += sums[i];
  });
  normalise(at, sums, total, eps, mean, rate);
  at.template for_each_masked<number_t>([&](int64_t i, number_t factor) {
    const number_t normal = (sums[i] - mean) * rate * weight[i] + bias[i];
    y[i] = factor == number_t(0) ? number_t(0) : normal * factor;
  });
  if (at.lane > 0) return;
  stats[2 * row] = mean;
  stats[2 * row + 1] = rate;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> embedding_norm(
    const at::Tensor& x, const at::Tensor& positions, const at::Tensor& token_types,
    const at::Tensor& type_of_row, const at::Tensor& weight, const at::Tensor& bias, double eps,
    const SiteMask& mask) {
  const at::Tensor y = at::empty_like(x), sum = at::empty_like(x);
  const at::Tensor stats = at::empty({x.size(0), 2}, x.options());
  if (x.numel() == 0) return {y, sum, stats};
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "embedding_norm", [&] {
    const auto if_any = [](const at::Tensor& table) {
      return table.defined() ? table.const_data_ptr<scalar_t>() : nullptr;
    };
    RAT_LAUNCH(embedding_norm_forward<scalar_t>, blocks_of_rows(x.size(0)), kRowThreads,
               x.const_data_ptr<scalar_t>(), positions.const_data_ptr<scalar_t>(), if_any(token_types),
               type_of_row.defined() ? ids(type_of_row) : nullptr, weight.const_data_ptr<scalar_t>(),
               bias.const_data_ptr<scalar_t>(), eps, x.size(0), x.size(1), masks_of(mask),
               y.data_ptr<scalar_t>(), sum.data_ptr<scalar_t>(), stats.data_ptr<scalar_t>());
  });
  return {y, sum, stats};
}

}  // namespace rat::cuda
