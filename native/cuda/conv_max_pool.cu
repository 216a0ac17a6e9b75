#include <ATen/Dispatch.h>

#include "cuda/conv_max_pool.h"
#include "cuda/launch.h"

namespace rat::cuda {
namespace {

// One thread a (sequence, filter) of one width: neighbouring threads read neighbouring columns.
template <typename scalar_t>
__global__ void pool(const scalar_t* products, const int64_t* starts, const scalar_t* bias, int64_t sequences,
                     int64_t filters, int64_t width, int64_t first_column, int64_t columns,
                     int64_t first_feature, int64_t features, scalar_t* out, int32_t* winners) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < sequences * filters;
       i += stride) {
    const int64_t s = i / filters, n = i % filters;
    const int64_t begin = starts[s], length = starts[s + 1] - begin;
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
                        int64_t sequences, int64_t filters, int64_t width, int64_t first_column,
                        int64_t columns, int64_t first_feature, int64_t features, scalar_t* dproducts) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < sequences * filters;
       i += stride) {
    const int64_t s = i / filters, n = i % filters;
    const int64_t at = s * features + first_feature + n;
    const int64_t first = starts[s] + winners[at];
    for (int64_t j = 0; j < width && first + j < starts[s + 1]; ++j)
      dproducts[(first + j) * columns + first_column + j * filters + n] = dout[at];
  }
}

/// Calls `launch(width, first column, first feature)` for each width.
template <typename Launch>
void for_each_width(const std::vector<int64_t>& widths, int64_t filters, Launch launch) {
  int64_t column = 0, feature = 0;
  for (const int64_t width : widths) {
    launch(width, column, feature);
    column += width * filters;
    feature += filters;
  }
}

int64_t columns_of(const std::vector<int64_t>& widths, int64_t filters) {
  int64_t columns = 0;
  for (const int64_t width : widths) columns += width * filters;
  return columns;
}

}  // namespace

void pool_windows(const at::Tensor& products, const at::Tensor& starts, const std::vector<int64_t>& widths,
                  const at::Tensor& bias, at::Tensor& out, at::Tensor& winners) {
  const int64_t sequences = out.size(0), features = out.size(1);
  const int64_t filters = features / static_cast<int64_t>(widths.size());
  AT_DISPATCH_FLOATING_TYPES(products.scalar_type(), "pool_windows", [&] {
    for_each_width(widths, filters, [&](int64_t width, int64_t column, int64_t feature) {
      pool<scalar_t><<<blocks_for(sequences * filters), kThreads, 0, current_stream()>>>(
          products.const_data_ptr<scalar_t>(), starts.const_data_ptr<int64_t>(),
          bias.const_data_ptr<scalar_t>(), sequences, filters, width, column, products.size(1), feature,
          features, out.data_ptr<scalar_t>(), winners.data_ptr<int32_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  });
}

at::Tensor scatter_windows(const at::Tensor& dout, const at::Tensor& winners, const at::Tensor& starts,
                           const std::vector<int64_t>& widths, int64_t tokens) {
  const int64_t sequences = dout.size(0), features = dout.size(1);
  const int64_t filters = features / static_cast<int64_t>(widths.size());
  const int64_t columns = columns_of(widths, filters);
  at::Tensor dproducts = at::zeros({tokens, columns}, dout.options());
  AT_DISPATCH_FLOATING_TYPES(dout.scalar_type(), "scatter_windows", [&] {
    for_each_width(widths, filters, [&](int64_t width, int64_t column, int64_t feature) {
      scatter<scalar_t><<<blocks_for(sequences * filters), kThreads, 0, current_stream()>>>(
          dout.const_data_ptr<scalar_t>(), winners.const_data_ptr<int32_t>(),
          starts.const_data_ptr<int64_t>(), sequences, filters, width, column, columns, feature, features,
          dproducts.data_ptr<scalar_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  });
  return dproducts;
}

}  // namespace rat::cuda
