// CUDA side of layers/attention.h: the kernels for any type and width, and the choice between them and those for tensor cores
// (attention_mma.cu).
//
// A warp has kRowsOfWarp rows; a lane has one column of the scores at a time, and every 32nd element of the results' rows. Tiles
// of the columns' operand go through shared memory.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/attention.cuh"
#include "cuda/reduce.cuh"

namespace rat::cuda {
namespace {

constexpr int kWarps = 4, kColumns = 32;
constexpr int kAttentionThreads = 32 * kWarps;

/// bf16 is calculated in float.
template <typename element_t>
struct NumberOf {
  using Type = float;
};
template <>
struct NumberOf<double> {
  using Type = double;
};

/// Sizes of a kernel for heads of at most kMost elements.
template <typename element_t, int kMost>
struct Sizes {
  using Number = typename NumberOf<element_t>::Type;
  static constexpr int kRowsOfWarp = sizeof(Number) == 8 ? 1 : 4;  // what shared memory has room for
  static constexpr int kRows = kWarps * kRowsOfWarp;
  static constexpr int kRowStride = kMost;
  static constexpr int kTileStride = kMost + 1;  // lanes read a column: of different banks
  static constexpr int kParts = kMost / 32;      // elements of a row that a lane has
};

/// `count` rows of `width` elements, those from `valid` on zero.
template <typename element_t, typename number_t>
__device__ void load_rows(number_t* to, int to_stride, const element_t* from, int64_t stride, int count,
                          int valid, int width) {
  for (int i = static_cast<int>(threadIdx.x); i < count * width; i += static_cast<int>(blockDim.x)) {
    const int row = i / width, element = i % width;
    to[row * to_stride + element] =
        row < valid ? static_cast<number_t>(from[row * stride + element]) : number_t(0);
  }
}

template <typename number_t>
__device__ number_t product(const number_t* a, const number_t* b, int width) {
  number_t sum = 0;
  for (int i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

/// sums[r][p] += weights of row r times the tile's rows, of this lane's elements.
template <typename S, typename number_t>
__device__ void add_weighted(number_t (&sums)[S::kRowsOfWarp][S::kParts], const number_t* weights,
                             const number_t* tile, int rows, int width, int lane) {
  for (int j = 0; j < rows; ++j)
#pragma unroll
    for (int part = 0; part < S::kParts; ++part) {
      const int element = part * 32 + lane;
      if (element >= width) continue;
      const number_t value = tile[j * S::kTileStride + element];
#pragma unroll
      for (int r = 0; r < S::kRowsOfWarp; ++r) sums[r][part] += weights[r * kColumns + j] * value;
    }
}

/// Row r of the warp's, times a factor, to row `first + r` of `to`.
template <typename S, typename element_t, typename number_t>
__device__ void store_row(element_t* to, const number_t (&sums)[S::kParts], number_t factor, int width,
                          int lane) {
#pragma unroll
  for (int part = 0; part < S::kParts; ++part) {
    const int element = part * 32 + lane;
    if (element < width) to[element] = static_cast<element_t>(sums[part] * factor);
  }
}

template <typename element_t, int kMost>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_forward(const element_t* q, const element_t* k, const element_t* v, SequenceBounds bounds,
                      const int32_t* examples, const int32_t* passes, const StepScalars* scalars,
                      AttentionNumbers numbers, element_t* out,
                      typename NumberOf<element_t>::Type* log_sums) {
  using S = Sizes<element_t, kMost>;
  using Number = typename S::Number;
  using Keeps = MaskTile<S::kRows, kColumns>;
  RAT_SHARED(Number, queries, S::kRows * S::kRowStride);
  RAT_SHARED(Number, tile, kColumns * S::kTileStride);
  RAT_SHARED(Number, weights, S::kRows * kColumns);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kRows, width = numbers.head_width;
  if (first_row >= head.queries) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32),
            warp_row = static_cast<int>(threadIdx.x / 32) * S::kRowsOfWarp;
  if (!numbers.first_only) head.clear_gap(out + head.result(head.length), head.out_stride(), bounds);
  load_rows(queries, S::kRowStride, q + head.query(first_row), numbers.query_stride, S::kRows,
            head.queries - first_row, width);

  Number highest[S::kRowsOfWarp], total[S::kRowsOfWarp], sums[S::kRowsOfWarp][S::kParts] = {};
#pragma unroll
  for (int r = 0; r < S::kRowsOfWarp; ++r) {
    highest[r] = -INFINITY;
    total[r] = 0;
  }
  for (int key = 0; key < head.length; key += kColumns) {
    const int64_t from = head.key(key);
    const int valid = head.length - key;
    __syncthreads();  // the tile of before is read until here
    load_rows(tile, S::kTileStride, k + from, numbers.key_stride, kColumns, valid, width);
    Keeps::fill(bits, mask, first_row, key);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < S::kRowsOfWarp; ++r) {
      const Number score =
          product(queries + (warp_row + r) * S::kRowStride, tile + lane * S::kTileStride, width) *
          static_cast<Number>(numbers.scale);
      const Number x = lane < valid ? score : -INFINITY;
      const Number higher = warp_max(x > highest[r] ? x : highest[r]);
      const Number factor = std::exp(highest[r] - higher), p = std::exp(x - higher);
      highest[r] = higher;
      total[r] = total[r] * factor + warp_sum(p);
      const bool keeps = Keeps::keeps(bits, mask, first_row, key, warp_row + r, lane);
      weights[(warp_row + r) * kColumns + lane] = keeps ? p : Number(0);
#pragma unroll
      for (int part = 0; part < S::kParts; ++part) sums[r][part] *= factor;
    }
    __syncthreads();
    load_rows(tile, S::kTileStride, v + from, numbers.key_stride, kColumns, valid, width);
    __syncthreads();
    add_weighted<S>(sums, weights + warp_row * kColumns, tile, valid < kColumns ? valid : kColumns, width,
                    lane);
  }
#pragma unroll
  for (int r = 0; r < S::kRowsOfWarp; ++r) {
    const int64_t row = first_row + warp_row + r;
    if (row >= head.queries) break;
    store_row<S>(out + head.result(row), sums[r], static_cast<Number>(mask.scale()) / total[r], width, lane);
    if (lane == 0) log_sums[head.statistic(row)] = highest[r] + std::log(total[r]);
  }
}

/// dO O by row and head, one warp each.
template <typename element_t>
__global__ void row_products(const element_t* out, const element_t* dout, int64_t rows, int32_t heads,
                             int32_t width, typename NumberOf<element_t>::Type* products) {
  using Number = typename NumberOf<element_t>::Type;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (blockDim.x / 32);
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; i < rows * heads;
       i += warps) {
    Number sum = 0;
    for (int element = lane; element < width; element += 32)
      sum += static_cast<Number>(out[i * width + element]) * static_cast<Number>(dout[i * width + element]);
    sum = warp_sum(sum);
    if (lane == 0) products[i % heads * rows + i / heads] = sum;
  }
}

template <typename element_t, int kMost>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_dq(const element_t* q, const element_t* k, const element_t* v, const element_t* dout,
                 SequenceBounds bounds, const int32_t* examples, const int32_t* passes,
                 const StepScalars* scalars, AttentionNumbers numbers,
                 const typename NumberOf<element_t>::Type* log_sums,
                 const typename NumberOf<element_t>::Type* row_products, element_t* dq) {
  using S = Sizes<element_t, kMost>;
  using Number = typename S::Number;
  using Keeps = MaskTile<S::kRows, kColumns>;
  RAT_SHARED(Number, queries, S::kRows * S::kRowStride);
  RAT_SHARED(Number, slopes, S::kRows * S::kRowStride);  // dO
  RAT_SHARED(Number, tile, kColumns * S::kTileStride);
  RAT_SHARED(Number, weights, S::kRows * kColumns);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kRows, width = numbers.head_width;
  if (first_row >= head.queries) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32),
            warp_row = static_cast<int>(threadIdx.x / 32) * S::kRowsOfWarp;
  if (!numbers.first_only) head.clear_gap(dq + head.query(head.length), numbers.query_stride, bounds);
  load_rows(queries, S::kRowStride, q + head.query(first_row), numbers.query_stride, S::kRows,
            head.queries - first_row, width);
  load_rows(slopes, S::kRowStride, dout + head.result(first_row), head.out_stride(), S::kRows,
            head.queries - first_row, width);

  Number log_sum[S::kRowsOfWarp], row_product[S::kRowsOfWarp], sums[S::kRowsOfWarp][S::kParts] = {};
#pragma unroll
  for (int r = 0; r < S::kRowsOfWarp; ++r) {
    const int row = first_row + warp_row + r;
    const int64_t at = head.statistic(row);
    log_sum[r] = row < head.queries ? log_sums[at] : Number(0);
    row_product[r] = row < head.queries ? row_products[at] : Number(0);
  }
  for (int key = 0; key < head.length; key += kColumns) {
    const int64_t from = head.key(key);
    const int valid = head.length - key;
    Number p[S::kRowsOfWarp];
    __syncthreads();
    load_rows(tile, S::kTileStride, k + from, numbers.key_stride, kColumns, valid, width);
    Keeps::fill(bits, mask, first_row, key);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < S::kRowsOfWarp; ++r) {
      const Number score =
          product(queries + (warp_row + r) * S::kRowStride, tile + lane * S::kTileStride, width) *
          static_cast<Number>(numbers.scale);
      p[r] = lane < valid ? std::exp(score - log_sum[r]) : Number(0);
    }
    __syncthreads();
    load_rows(tile, S::kTileStride, v + from, numbers.key_stride, kColumns, valid, width);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < S::kRowsOfWarp; ++r) {
      const bool keeps = Keeps::keeps(bits, mask, first_row, key, warp_row + r, lane);
      const Number dp =
          keeps ? product(slopes + (warp_row + r) * S::kRowStride, tile + lane * S::kTileStride, width) *
                      static_cast<Number>(mask.scale())
                : Number(0);
      weights[(warp_row + r) * kColumns + lane] = p[r] * (dp - row_product[r]);
    }
    __syncthreads();
    load_rows(tile, S::kTileStride, k + from, numbers.key_stride, kColumns, valid, width);
    __syncthreads();
    add_weighted<S>(sums, weights + warp_row * kColumns, tile, valid < kColumns ? valid : kColumns, width,
                    lane);
  }
#pragma unroll
  for (int r = 0; r < S::kRowsOfWarp; ++r) {
    const int64_t row = first_row + warp_row + r;
    if (row >= head.queries) break;
    store_row<S>(dq + head.query(row), sums[r], static_cast<Number>(numbers.scale), width, lane);
  }
}

/// Rows are keys here, columns queries.
template <typename element_t, int kMost>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_dkv(const element_t* q, const element_t* k, const element_t* v, const element_t* dout,
                  SequenceBounds bounds, const int32_t* examples, const int32_t* passes,
                  const StepScalars* scalars, AttentionNumbers numbers,
                  const typename NumberOf<element_t>::Type* log_sums,
                  const typename NumberOf<element_t>::Type* row_products, element_t* dk, element_t* dv) {
  using S = Sizes<element_t, kMost>;
  using Number = typename S::Number;
  using Keeps = MaskTile<kColumns, S::kRows>;
  RAT_SHARED(Number, keys, S::kRows * S::kRowStride);
  RAT_SHARED(Number, values, S::kRows * S::kRowStride);
  RAT_SHARED(Number, tile, kColumns * S::kTileStride);
  RAT_SHARED(Number, weights, S::kRows * kColumns);
  RAT_SHARED(Number, slopes, S::kRows * kColumns);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kRows, width = numbers.head_width;
  if (first_row >= head.length) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32),
            warp_row = static_cast<int>(threadIdx.x / 32) * S::kRowsOfWarp;
  head.clear_gap(dk + head.key(head.length), numbers.key_stride, bounds);
  head.clear_gap(dv + head.key(head.length), numbers.key_stride, bounds);
  const int64_t rows_from = head.key(first_row);
  load_rows(keys, S::kRowStride, k + rows_from, numbers.key_stride, S::kRows, head.length - first_row, width);
  load_rows(values, S::kRowStride, v + rows_from, numbers.key_stride, S::kRows, head.length - first_row,
            width);

  Number dkeys[S::kRowsOfWarp][S::kParts] = {}, dvalues[S::kRowsOfWarp][S::kParts] = {};
  for (int query = 0; query < head.queries; query += kColumns) {
    const int valid = head.queries - query, rows = valid < kColumns ? valid : kColumns;
    const int64_t at = head.statistic(query + lane);
    const Number log_sum = lane < valid ? log_sums[at] : Number(0);
    const Number row_product = lane < valid ? row_products[at] : Number(0);
    const element_t* of_queries = q + head.query(query);
    Number p[S::kRowsOfWarp];
    __syncthreads();
    load_rows(tile, S::kTileStride, of_queries, numbers.query_stride, kColumns, valid, width);
    Keeps::fill(bits, mask, query, first_row);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < S::kRowsOfWarp; ++r) {
      const Number score =
          product(keys + (warp_row + r) * S::kRowStride, tile + lane * S::kTileStride, width) *
          static_cast<Number>(numbers.scale);
      p[r] = lane < valid && first_row + warp_row + r < head.length ? std::exp(score - log_sum) : Number(0);
    }
    __syncthreads();
    load_rows(tile, S::kTileStride, dout + head.result(query), head.out_stride(), kColumns, valid, width);
    __syncthreads();
#pragma unroll
    for (int r = 0; r < S::kRowsOfWarp; ++r) {
      const int at_weight = (warp_row + r) * kColumns + lane;
      const bool keeps = Keeps::keeps(bits, mask, query, first_row, lane, warp_row + r);
      const Number kept = keeps ? static_cast<Number>(mask.scale()) : Number(0);
      const Number dp = product(values + (warp_row + r) * S::kRowStride, tile + lane * S::kTileStride, width);
      weights[at_weight] = p[r] * kept;
      slopes[at_weight] = p[r] * (dp * kept - row_product);
    }
    __syncthreads();
    add_weighted<S>(dvalues, weights + warp_row * kColumns, tile, rows, width, lane);
    __syncthreads();
    load_rows(tile, S::kTileStride, of_queries, numbers.query_stride, kColumns, valid, width);
    __syncthreads();
    add_weighted<S>(dkeys, slopes + warp_row * kColumns, tile, rows, width, lane);
  }
#pragma unroll
  for (int r = 0; r < S::kRowsOfWarp; ++r) {
    if (first_row + warp_row + r >= head.length) break;
    const int64_t to = rows_from + int64_t{warp_row + r} * numbers.key_stride;
    store_row<S>(dk + to, dkeys[r], static_cast<Number>(numbers.scale), width, lane);
    store_row<S>(dv + to, dvalues[r], Number(1), width, lane);
  }
}

/// Calls `run(element, most)` for the tensors' type and the kernel that is wide enough.
template <typename Run>
void with_sizes(const AttentionCall& call, Run run) {
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, call.qkv.scalar_type(), "attention", [&] {
    if (call.shape.head_width <= 64)
      run(scalar_t{}, std::integral_constant<int, 64>{});
    else
      run(scalar_t{}, std::integral_constant<int, 128>{});
  });
}

at::TensorOptions number_options(const at::Tensor& qkv) {
  return qkv.options().dtype(qkv.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> attention(const at::Tensor& qkv, const at::Tensor& queries,
                                             const AttentionShape& shape) {
  const AttentionCall call{qkv, queries, shape};
  at::Tensor out = at::empty({queries.size(0), shape.width()}, qkv.options());
  at::Tensor log_sums = at::empty({shape.heads, queries.size(0)}, number_options(qkv));
  if (has_mma_attention(call)) {
    mma_attention(call, out, log_sums);
    return {out, log_sums};
  }
  with_sizes(call, [&](auto element, auto most) {
    using Element = decltype(element);
    using S = Sizes<Element, most()>;
    const AttentionNumbers numbers = call.numbers(call.longest_queries(), S::kRows);
    constexpr auto kernel = attention_forward<Element, most()>;
    RAT_LAUNCH(kernel, call.blocks(numbers), kAttentionThreads, call.q<Element>(), call.k<Element>(),
               call.v<Element>(), call.bounds(), call.examples(), call.passes(), call.scalars(), numbers,
               out.data_ptr<Element>(), log_sums.data_ptr<typename S::Number>());
  });
  return {out, log_sums};
}

std::tuple<at::Tensor, at::Tensor> attention_backward(const at::Tensor& dout, const at::Tensor& qkv,
                                                      const at::Tensor& queries, const at::Tensor& out,
                                                      const at::Tensor& log_sums,
                                                      const AttentionShape& shape) {
  const AttentionCall call{qkv, queries, shape};
  const at::Tensor dqkv = at::empty_like(qkv), dqueries = shape.first_only ? at::empty_like(queries) : dqkv;
  const at::Tensor products = at::empty_like(log_sums);
  const AttentionGradients gradients{dout, log_sums, products, dqkv, dqueries};
  with_sizes(call, [&](auto element, auto most) {
    using Element = decltype(element);
    using S = Sizes<Element, most()>;
    using Number = typename S::Number;
    RAT_LAUNCH(row_products<Element>, blocks_for(products.numel() * 32), kThreads,
               out.const_data_ptr<Element>(), dout.const_data_ptr<Element>(), queries.size(0),
               static_cast<int32_t>(shape.heads), static_cast<int32_t>(shape.head_width),
               products.data_ptr<Number>());
    if (has_mma_attention(call)) return mma_attention_backward(call, gradients);
    const AttentionNumbers of_queries = call.numbers(call.longest_queries(), S::kRows);
    constexpr auto dq_kernel = attention_dq<Element, most()>;
    RAT_LAUNCH(dq_kernel, call.blocks(of_queries), kAttentionThreads, call.q<Element>(), call.k<Element>(),
               call.v<Element>(), dout.const_data_ptr<Element>(), call.bounds(), call.examples(),
               call.passes(), call.scalars(), of_queries, log_sums.const_data_ptr<Number>(),
               products.const_data_ptr<Number>(), dqueries.data_ptr<Element>());
    const AttentionNumbers of_keys = call.numbers(shape.longest, S::kRows);
    constexpr auto dkv_kernel = attention_dkv<Element, most()>;
    RAT_LAUNCH(dkv_kernel, call.blocks(of_keys), kAttentionThreads, call.q<Element>(), call.k<Element>(),
               call.v<Element>(), dout.const_data_ptr<Element>(), call.bounds(), call.examples(),
               call.passes(), call.scalars(), of_keys, log_sums.const_data_ptr<Number>(),
               products.const_data_ptr<Number>(), dqkv.data_ptr<Element>() + shape.key_column(),
               dqkv.data_ptr<Element>() + shape.value_column());
  });
  return {dqkv, dqueries};
}

}  // namespace rat::cuda
