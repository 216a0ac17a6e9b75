// Forward: one matrix product of the tokens with all taps of all filters (no unfolded copy of x), made in
// chunks of sequences that stay in cache, reduced at once to the maxima and where they are; the products are
// not kept. Backward: only the winning window of each filter has a gradient, about one in `length` of a dense
// convolution's work. On the CPU it is done entry by entry; on CUDA the few entries are scattered into a zero
// matrix for two dense products.
#include "layers/conv_max_pool.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "core/kernels.h"
#include "core/lanes.h"
#include "core/matmul.h"

namespace rat {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTokensPerChunk = 1024;

/// Maxima of one sequence from its products y `[length, columns]`.
template <typename scalar_t>
void pool_sequence(const scalar_t* y, int64_t length, const Taps& taps, const scalar_t* bias, scalar_t* out,
                   int32_t* winners, std::vector<scalar_t>& window) {
  const int64_t filters = taps.filters;
  window.resize(static_cast<size_t>(filters));
  for (size_t i = 0; i < taps.widths.size(); ++i) {
    const int64_t width = taps.widths[i];
    scalar_t* best = out + static_cast<int64_t>(i) * filters;
    int32_t* winner = winners + static_cast<int64_t>(i) * filters;
    std::fill_n(best, filters, -std::numeric_limits<scalar_t>::infinity());
    std::fill_n(winner, filters, 0);
    for (int64_t t = 0; t < std::max<int64_t>(length - width + 1, 1); ++t) {
      const scalar_t* tap = y + t * taps.columns + taps.offsets[i];
      std::copy_n(tap, filters, window.data());
      for (int64_t j = 1; j < width && t + j < length; ++j) {
        tap = y + (t + j) * taps.columns + taps.offsets[i] + j * filters;
        for (int64_t n = 0; n < filters; ++n) window[n] += tap[n];
      }
      // A NaN must win, or it would be lost here and the step would look finite.
      for (int64_t n = 0; n < filters; ++n) {
        const bool wins = !(window[n] <= best[n]);
        best[n] = wins ? window[n] : best[n];
        winner[n] = wins ? static_cast<int32_t>(t) : winner[n];
      }
    }
    const scalar_t* filter_bias = bias + static_cast<int64_t>(i) * filters;
    for (int64_t n = 0; n < filters; ++n) {
      const scalar_t value = best[n] + filter_bias[n];
      best[n] = value <= 0 ? scalar_t(0) : value;
    }
  }
}

template <typename scalar_t>
void forward_cpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                 const std::vector<int64_t>& starts, const Taps& taps, at::Tensor& out, at::Tensor& winners) {
  const int64_t features = out.size(1), sequences = out.size(0);
  for (int64_t first = 0; first < sequences;) {
    int64_t last = first + 1;
    while (last < sequences && starts[last + 1] - starts[first] <= kTokensPerChunk) ++last;
    const int64_t begin = starts[first];
    const at::Tensor products = matmul_transposed(x.narrow(0, begin, starts[last] - begin), weight);
    const auto* y = products.const_data_ptr<scalar_t>();
    in_parallel(last - first, 1, [&](int64_t from, int64_t to) {
      std::vector<scalar_t> window;
      for (int64_t s = first + from; s < first + to; ++s)
        pool_sequence(y + (starts[s] - begin) * taps.columns, starts[s + 1] - starts[s], taps,
                      bias.const_data_ptr<scalar_t>(), out.data_ptr<scalar_t>() + s * features,
                      winners.data_ptr<int32_t>() + s * features, window);
    });
    first = last;
  }
}

template <typename scalar_t>
void axpy(scalar_t a, const scalar_t* x, scalar_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <typename scalar_t>
void backward_cpu(const at::Tensor& dout, const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& winners, const std::vector<int64_t>& starts, const Taps& taps,
                  at::Tensor& dx, at::Tensor& dweight, at::Tensor& dbias) {
  const int64_t width_of_x = x.size(1);
  const int64_t sequences = dout.size(0);
  const int64_t features = dout.size(1);
  const auto* gradient = dout.const_data_ptr<scalar_t>();
  const auto* winner = winners.const_data_ptr<int32_t>();
  const auto* tokens = x.const_data_ptr<scalar_t>();
  const auto* filter = weight.const_data_ptr<scalar_t>();
  // Rows of dx belong to one sequence, rows of dweight to one filter: neither loop needs a lock, and the
  // order of every sum is fixed whatever the number of threads.
  auto* token_gradient = dx.data_ptr<scalar_t>();
  in_parallel(sequences, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s)
      for (int64_t feature = 0; feature < features; ++feature) {
        const scalar_t g = gradient[s * features + feature];
        if (g == 0) continue;
        const auto i = static_cast<size_t>(feature / taps.filters);
        const int64_t first = starts[s] + winner[s * features + feature];
        const int64_t taps_inside = std::min(taps.widths[i], starts[s + 1] - first);
        for (int64_t j = 0; j < taps_inside; ++j) {
          const int64_t column = taps.offsets[i] + j * taps.filters + feature % taps.filters;
          axpy(g, filter + column * width_of_x, token_gradient + (first + j) * width_of_x, width_of_x);
        }
      }
  });
  auto* filter_gradient = dweight.data_ptr<scalar_t>();
  auto* bias_gradient = dbias.data_ptr<scalar_t>();
  in_parallel(features, 8, [&](int64_t from, int64_t to) {
    for (int64_t feature = from; feature < to; ++feature) {
      const auto i = static_cast<size_t>(feature / taps.filters);
      for (int64_t s = 0; s < sequences; ++s) {
        const scalar_t g = gradient[s * features + feature];
        if (g == 0) continue;
        bias_gradient[feature] += g;
        const int64_t first = starts[s] + winner[s * features + feature];
        const int64_t taps_inside = std::min(taps.widths[i], starts[s + 1] - first);
        for (int64_t j = 0; j < taps_inside; ++j) {
          const int64_t column = taps.offsets[i] + j * taps.filters + feature % taps.filters;
          axpy(g, tokens + (first + j) * width_of_x, filter_gradient + column * width_of_x, width_of_x);
        }
      }
    }
  });
}

class ConvReluMaxPool : public torch::autograd::Function<ConvReluMaxPool> {
 public:
  /// weight `[columns, D]` (taps, see above), bias `[features]`.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const ForwardRows* rows,
                            const std::vector<int64_t>& widths) {
    const Taps taps(widths, bias.size(0) / static_cast<int64_t>(widths.size()));
    auto [out, winners] = kernels::conv_max_pool.on(x.device())(x, weight, bias, rows->starts,
                                                                rows->starts_index, rows->ends_index, taps);
    context->save_for_backward({x, weight, out, winners, rows->starts_index, rows->ends_index});
    context->saved_data["starts"] = rows->starts;
    context->saved_data["widths"] = widths;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &out = saved[2];
    const auto widths = context->saved_data["widths"].toIntVector();
    const Taps taps(widths, out.size(1) / static_cast<int64_t>(widths.size()));
    // ReLU: no gradient where the maximum was not above zero.
    const at::Tensor dmaxima = at::where(out > 0, gradients[0], at::zeros({}, out.options())).contiguous();
    const auto [dx, dweight, dbias] = kernels::conv_max_pool_backward.on(x.device())(
        dmaxima, x, weight, /*winners=*/saved[3], context->saved_data["starts"].toIntVector(), saved[4],
        saved[5], taps);
    return {dx, dweight, dbias, {}, {}};
  }
};

}  // namespace

Taps::Taps(const std::vector<int64_t>& widths, int64_t filters) : widths(widths), filters(filters) {
  for (const int64_t width : widths) {
    offsets.push_back(columns);
    columns += width * filters;
  }
}

std::tuple<at::Tensor, at::Tensor> cpu::conv_max_pool(const at::Tensor& x, const at::Tensor& weight,
                                                      const at::Tensor& bias,
                                                      const std::vector<int64_t>& starts, const at::Tensor&,
                                                      const at::Tensor&, const Taps& taps) {
  const auto sequences = static_cast<int64_t>(starts.size()) - 1;
  at::Tensor out = at::empty({sequences, bias.size(0)}, x.options());
  at::Tensor winners = at::empty({sequences, bias.size(0)}, x.options().dtype(at::kInt));
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "conv_max_pool",
                             [&] { forward_cpu<scalar_t>(x, weight, bias, starts, taps, out, winners); });
  return {out, winners};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> cpu::conv_max_pool_backward(
    const at::Tensor& dmaxima, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& winners,
    const std::vector<int64_t>& starts, const at::Tensor&, const at::Tensor&, const Taps& taps) {
  at::Tensor dx = at::zeros_like(x), dweight = at::zeros_like(weight),
             dbias = at::zeros({dmaxima.size(1)}, dmaxima.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "conv_max_pool_backward", [&] {
    backward_cpu<scalar_t>(dmaxima, x, weight, winners, starts, taps, dx, dweight, dbias);
  });
  return {dx, dweight, dbias};
}

at::Tensor conv_relu_max_pool(const at::Tensor& x, const ForwardRows& rows,
                              const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& biases) {
  std::vector<at::Tensor> taps;
  std::vector<int64_t> widths;
  for (const at::Tensor& weight : weights) {
    widths.push_back(weight.size(2));
    taps.push_back(weight.permute({2, 0, 1}).reshape({weight.size(2) * weight.size(0), weight.size(1)}));
  }
  return ConvReluMaxPool::apply(x.contiguous(), at::cat(taps), at::cat(biases), &rows, widths);
}

}  // namespace rat
