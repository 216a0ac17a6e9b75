// CUDA side of layers/add_norm.h: a warp a row, which it goes through three times; the second and third time it is in the cache.
// A lane has blocks of four neighbouring elements, those of a Philox block.
#include <ATen/Dispatch.h>
#include <c10/util/BFloat16.h>

#include "core/kernels.h"
#include "cuda/mask.cuh"
#include "cuda/reduce.cuh"
#include "layers/add_norm.h"

namespace rat::cuda {
namespace {

constexpr int kRowsOfBlock = 4;  // warps
constexpr int kNormThreads = 32 * kRowsOfBlock;
constexpr int kColumns = 32, kLanes = 8;  // of a block that sums columns
constexpr int64_t kRowsOfPart = 128;      // that such a block takes

/// One row's channels, as its lanes have them, and its mask.
struct NormRow {
  int64_t row, width, first_block;
  int lane, lead;  // the row's first element may stand inside a block
  const int32_t *examples, *passes;
  const StepScalars* scalars;  // null: nothing is dropped
  DropoutKind kind;
  uint32_t site_and_layer;

  __device__ NormRow(int64_t row, int64_t width, const int32_t* examples, const int32_t* positions,
                     const int32_t* passes, const StepScalars* scalars, DropoutKind kind,
                     uint32_t site_and_layer)
      : row(row),
        width(width),
        first_block(scalars ? positions[row] * width / 4 : 0),
        lane(static_cast<int>(threadIdx.x % 32)),
        lead(scalars ? static_cast<int>(positions[row] * width % 4) : 0),
        examples(examples),
        passes(passes),
        scalars(scalars),
        kind(kind),
        site_and_layer(site_and_layer) {}

  /// Calls `apply(channel)`.
  template <typename Apply>
  __device__ void for_each(Apply apply) const {
    for_each_block([](int64_t) { return 0; }, [&](int64_t channel, int, int) { apply(channel); });
  }

  /// Calls `apply(channel, factor)` with what the mask multiplies by.
  template <typename number_t, typename Apply>
  __device__ void for_each_masked(Apply apply) const {
    if (!scalars) return for_each([&](int64_t channel) { apply(channel, number_t(1)); });
    const MaskStream mask = mask_stream(*scalars, kind, site_and_layer, passes[row], examples[row]);
    for_each_block([&](int64_t block) { return mask.block(static_cast<uint32_t>(first_block + block)); },
                   [&](int64_t channel, const PhiloxBlock& words, int word) {
                     apply(channel,
                           words.v[word] >= mask.threshold ? static_cast<number_t>(mask.scale) : number_t(0));
                   });
  }

 private:
  /// Calls `apply(channel, draw(block), word)`.
  template <typename Draw, typename Apply>
  __device__ void for_each_block(Draw draw, Apply apply) const {
    for (int64_t block = lane; block * 4 < width + lead; block += 32) {
      const auto drawn = draw(block);
#pragma unroll
      for (int word = 0; word < 4; ++word) {
        const int64_t channel = block * 4 + word - lead;
        if (channel >= 0 && channel < width) apply(channel, drawn, word);
      }
    }
  }
};

template <typename element_t, typename number_t>
__global__ void __launch_bounds__(kNormThreads)
    add_norm_forward(const element_t* x, const number_t* residual, const number_t* weight,
                     const number_t* bias, double eps, int64_t rows, int64_t width, const int32_t* examples,
                     const int32_t* positions, const int32_t* passes, const StepScalars* scalars,
                     DropoutKind kind, uint32_t site_and_layer, number_t* y, number_t* sums,
                     number_t* stats) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / 32;
  if (row >= rows) return;
  const NormRow at(row, width, examples, positions, passes, scalars, kind, site_and_layer);
  x += row * width;
  residual += row * width;
  y += row * width;
  sums += row * width;
  number_t total = 0, squares = 0;
  // What a lane writes here it alone reads again.
  at.template for_each_masked<number_t>([&](int64_t i, number_t factor) {
    const number_t masked = factor == number_t(0) ? number_t(0) : static_cast<number_t>(x[i]) * factor;
    sums[i] = residual[i] + masked;
    total += sums[i];
  });
  const number_t mean = warp_sum(total) / static_cast<number_t>(width);
  at.for_each([&](int64_t i) {
    const number_t difference = sums[i] - mean;
    squares += difference * difference;
  });
  const number_t rate =
      1 / std::sqrt(warp_sum(squares) / static_cast<number_t>(width) + static_cast<number_t>(eps));
  at.for_each([&](int64_t i) { y[i] = (sums[i] - mean) * rate * weight[i] + bias[i]; });
  if (at.lane > 0) return;
  stats[2 * row] = mean;
  stats[2 * row + 1] = rate;
}

/// `dx` may be null: it is `dsum` then.
template <typename element_t, typename number_t>
__global__ void __launch_bounds__(kNormThreads)
    add_norm_dx(const number_t* dy, const number_t* sums, const number_t* stats, const number_t* weight,
                int64_t rows, int64_t width, const int32_t* examples, const int32_t* positions,
                const int32_t* passes, const StepScalars* scalars, DropoutKind kind, uint32_t site_and_layer,
                number_t* dsum, element_t* dx) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / 32;
  if (row >= rows) return;
  const NormRow at(row, width, examples, positions, passes, scalars, kind, site_and_layer);
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

/// The gradients of weight and bias over kRowsOfPart rows: parts `[parts, 2, width]`, added up afterwards in their order.
template <typename number_t>
__global__ void add_norm_columns(const number_t* dy, const number_t* sums, const number_t* stats,
                                 int64_t rows, int64_t width, number_t* parts) {
  RAT_SHARED(number_t, of_weight, kColumns * kLanes);
  RAT_SHARED(number_t, of_bias, kColumns * kLanes);
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kColumns + threadIdx.x;
  const int64_t begin = blockIdx.x * kRowsOfPart,
                end = begin + kRowsOfPart < rows ? begin + kRowsOfPart : rows;
  number_t dweight = 0, dbias = 0;
  if (column < width)
    for (int64_t row = begin + threadIdx.y; row < end; row += kLanes) {
      const number_t slope = dy[row * width + column];
      dweight += slope * (sums[row * width + column] - stats[2 * row]) * stats[2 * row + 1];
      dbias += slope;
    }
  of_weight[threadIdx.y * kColumns + threadIdx.x] = dweight;
  of_bias[threadIdx.y * kColumns + threadIdx.x] = dbias;
  __syncthreads();
  if (threadIdx.y > 0 || column >= width) return;
  for (int lane = 1; lane < kLanes; ++lane) {
    dweight += of_weight[lane * kColumns + threadIdx.x];
    dbias += of_bias[lane * kColumns + threadIdx.x];
  }
  parts[blockIdx.x * 2 * width + column] = dweight;
  parts[(blockIdx.x * 2 + 1) * width + column] = dbias;
}

unsigned blocks_of(int64_t rows) { return static_cast<unsigned>((rows + kRowsOfBlock - 1) / kRowsOfBlock); }

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
    RAT_LAUNCH(kernel, blocks_of(x.size(0)), kNormThreads, x.const_data_ptr<Element>(),
               residual.const_data_ptr<Number>(), weight.const_data_ptr<Number>(),
               bias.const_data_ptr<Number>(), eps, x.size(0), x.size(1), ids(mask.rows.example_ids),
               ids(mask.rows.positions), ids(mask.rows.passes), scalars_of(mask), mask.kind,
               mask.site_and_layer, y.data_ptr<Number>(), sum.data_ptr<Number>(), stats.data_ptr<Number>());
  });
  return {y, sum, stats};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> add_norm_backward(
    const at::Tensor& dy, const at::Tensor& sum, const at::Tensor& stats, const at::Tensor& weight,
    at::ScalarType type, const SiteMask& mask) {
  const int64_t rows = sum.size(0), width = sum.size(1);
  const std::pair<at::Tensor, at::Tensor> gradients = empty_gradients(sum, type, mask);
  const at::Tensor &dx = gradients.first, &dsum = gradients.second;
  const int64_t count = (rows + kRowsOfPart - 1) / kRowsOfPart;
  const at::Tensor parts = at::empty({count, 2, width}, sum.options());
  if (rows > 0)
    with_norm_types(type, sum.scalar_type(), [&](auto element, auto number) {
      using Element = decltype(element);
      using Number = decltype(number);
      constexpr auto kernel = add_norm_dx<Element, Number>;
      RAT_LAUNCH(kernel, blocks_of(rows), kNormThreads, dy.const_data_ptr<Number>(),
                 sum.const_data_ptr<Number>(), stats.const_data_ptr<Number>(),
                 weight.const_data_ptr<Number>(), rows, width, ids(mask.rows.example_ids),
                 ids(mask.rows.positions), ids(mask.rows.passes), scalars_of(mask), mask.kind,
                 mask.site_and_layer, dsum.data_ptr<Number>(),
                 dx.is_same(dsum) ? nullptr : dx.data_ptr<Element>());
      const dim3 blocks(static_cast<unsigned>(count),
                        static_cast<unsigned>((width + kColumns - 1) / kColumns));
      RAT_LAUNCH(add_norm_columns<Number>, blocks, dim3(kColumns, kLanes), dy.const_data_ptr<Number>(),
                 sum.const_data_ptr<Number>(), stats.const_data_ptr<Number>(), rows, width,
                 parts.data_ptr<Number>());
    });
  const at::Tensor both = parts.sum(0);
  return {dx, dsum, both[0], both[1]};
}

}  // namespace rat::cuda
