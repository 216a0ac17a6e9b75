#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "core/matmul.h"
#include "cuda/launch.h"
#include "layers/conv_max_pool.h"

namespace rat::cuda {
namespace {

// One thread a (sequence, filter) of one width: neighbouring threads read neighbouring columns.
template <typename scalar_t>
__global__ void pool(const scalar_t* products, const int64_t* starts, const int64_t* ends,
                     const scalar_t* bias, int64_t sequences, int64_t filters, int64_t width,
                     int64_t first_column, int64_t columns, int64_t first_feature, int64_t features,
                     scalar_t* out, int32_t* winners) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < sequences * filters;
       i += stride) {
    const int64_t s = i / filters, n = i % filters;
    const int64_t begin = starts[s], length = ends[s] - begin;
    scalar_t best = -INFINITY;
    int32_t winner = 0;
    const int64_t windows = length - width + 1 > 1 ? length - width + 1 : 1;
    for (int64_t t = 0; t < windows; ++t) {
      scalar_t sum = 0;
      for (int64_t j = 0; j < width && t + j < length; ++j)
        sum += products[(begin + t + j) * columns + first_column + j * filters + n];
      // A NaN must win, or it would be lost here and the step would look finite.
      if (!(sum <= best)) {
        best = sum;
        winner = static_cast<int32_t>(t);
      }
    }
    const int64_t at = s * features + first_feature + n;
    const scalar_t value = best + bias[first_feature + n];
    out[at] = value <= scalar_t(0) ? scalar_t(0) : value;
    winners[at] = winner;
  }
}

template <typename scalar_t>
__global__ void scatter(const scalar_t* dout, const int32_t* winners, const int64_t* starts,
                        const int64_t* ends, int64_t sequences, int64_t filters, int64_t width,
                        int64_t first_column, int64_t columns, int64_t first_feature, int64_t features,
                        scalar_t* dproducts) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < sequences * filters;
       i += stride) {
    const int64_t s = i / filters, n = i % filters;
    const int64_t at = s * features + first_feature + n;
    const int64_t first = starts[s] + winners[at];
    for (int64_t j = 0; j < width && first + j < ends[s]; ++j)
      dproducts[(first + j) * columns + first_column + j * filters + n] = dout[at];
  }
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> conv_max_pool(const at::Tensor& x, const at::Tensor& weight,
                                                 const at::Tensor& bias, const std::vector<int64_t>& starts,
                                                 const at::Tensor& starts_index, const at::Tensor& ends_index,
                                                 const Taps& taps) {
  const auto sequences = static_cast<int64_t>(starts.size()) - 1;
  const int64_t features = bias.size(0);
  const at::Tensor products = matmul_transposed(x, weight);
  at::Tensor out = at::empty({sequences, features}, x.options());
  at::Tensor winners = at::empty({sequences, features}, x.options().dtype(at::kInt));
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "conv_max_pool", [&] {
    for (size_t i = 0; i < taps.widths.size(); ++i)
      RAT_LAUNCH(pool<scalar_t>, blocks_for(sequences * taps.filters), kThreads,
                 products.const_data_ptr<scalar_t>(), starts_index.const_data_ptr<int64_t>(),
                 ends_index.const_data_ptr<int64_t>(), bias.const_data_ptr<scalar_t>(), sequences,
                 taps.filters, taps.widths[i], taps.offsets[i], taps.columns,
                 static_cast<int64_t>(i) * taps.filters, features, out.data_ptr<scalar_t>(),
                 winners.data_ptr<int32_t>());
  });
  return {out, winners};
}

// The few entries that won are scattered into a zero matrix, for two dense products. Each entry is written by
// at most one thread, so no atomics: the same inputs give the same bits.
std::tuple<at::Tensor, at::Tensor, at::Tensor> conv_max_pool_backward(
    const at::Tensor& dmaxima, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& winners,
    const std::vector<int64_t>&, const at::Tensor& starts_index, const at::Tensor& ends_index,
    const Taps& taps) {
  const int64_t sequences = dmaxima.size(0), features = dmaxima.size(1);
  at::Tensor dproducts = at::zeros({x.size(0), taps.columns}, dmaxima.options());
  AT_DISPATCH_FLOATING_TYPES(dmaxima.scalar_type(), "conv_max_pool_backward", [&] {
    for (size_t i = 0; i < taps.widths.size(); ++i)
      RAT_LAUNCH(scatter<scalar_t>, blocks_for(sequences * taps.filters), kThreads,
                 dmaxima.const_data_ptr<scalar_t>(), winners.const_data_ptr<int32_t>(),
                 starts_index.const_data_ptr<int64_t>(), ends_index.const_data_ptr<int64_t>(), sequences,
                 taps.filters, taps.widths[i], taps.offsets[i], taps.columns,
                 static_cast<int64_t>(i) * taps.filters, features, dproducts.data_ptr<scalar_t>());
  });
  return {at::mm(dproducts, weight), at::mm(dproducts.t(), x), dmaxima.sum(0)};
}

}  // namespace rat::cuda
