// Attention on tensor cores: bf16, heads of 32, 64 or 128 elements (after FlashAttention 2, Dao, 2023, with dropout by counter).
//
// A warp has 16 rows of a tile; a lane has of a product, with g = lane / 4 and t = lane % 4, rows g and g + 8 and of every eight
// columns 2t and 2t + 1. What is multiplied again next, the probabilities, is laid out as mma wants its left operand, and never
// leaves the registers.
#include <c10/util/BFloat16.h>

#include "cuda/attention.cuh"
#include "cuda/devices.h"
#include "cuda/mma.cuh"

namespace rat::cuda {
namespace {

using c10::BFloat16;

constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

template <int kHeadWidth>
struct MmaSizes {
  static constexpr int kWidth = kHeadWidth;
  static constexpr int kTile = kWidth == 128 ? 32 : 64;  // rows, and columns: what 48 KB have room for
  static constexpr int kStride = kWidth + 8;             // eight rows of a matrix are of different banks
  static constexpr int kThreads = kTile / 16 * 32;
  static constexpr int kElements = kTile * kStride;
  using Keeps = MaskTile<kTile, kTile>;
  using Scores = float[kTile / 8][4];
  using Rows = float[kWidth / 8][4];
};

/// A tile's rows to shared memory, those from `valid` on zero.
template <typename S>
__device__ void load_tile(BFloat16* to, const BFloat16* from, int64_t stride, int valid) {
  constexpr int kCopies = S::kWidth / 8;  // of a row
  for (int i = static_cast<int>(threadIdx.x); i < S::kTile * kCopies; i += S::kThreads) {
    const int row = i / kCopies, element = i % kCopies * 8;
    BFloat16* const at = to + row * S::kStride + element;
    if (row < valid)
      copy_async(at, from + row * stride + element);
    else
#pragma unroll
      for (int word = 0; word < 4; ++word) reinterpret_cast<uint32_t*>(at)[word] = 0;
  }
}

/// scores = the warp's 16 rows of `a` times the transpose of all rows of `b`.
template <typename S>
__device__ void multiply(typename S::Scores& scores, const BFloat16* a, const BFloat16* b, int warp_row,
                         int lane) {
#pragma unroll
  for (auto& tile : scores)
#pragma unroll
    for (float& score : tile) score = 0;
#pragma unroll
  for (int k = 0; k < S::kWidth; k += 16) {
    uint32_t left[4];
    load_matrices(left, a + (warp_row + lane % 16) * S::kStride + k + lane / 16 * 8);
#pragma unroll
    for (int n = 0; n < S::kTile; n += 16) {
      uint32_t right[4];
      load_matrices(right, b + (n + lane / 16 * 8 + lane % 8) * S::kStride + k + lane / 8 % 2 * 8);
      mma(scores[n / 8], left, right[0], right[1]);
      mma(scores[n / 8 + 1], left, right[2], right[3]);
    }
  }
}

/// sums += `weights`, rounded to bf16, times the rows of `b`.
template <typename S>
__device__ void accumulate(typename S::Rows& sums, const typename S::Scores& weights, const BFloat16* b,
                           int lane) {
#pragma unroll
  for (int k = 0; k < S::kTile; k += 16) {
    const float (&first)[4] = weights[k / 8], (&second)[4] = weights[k / 8 + 1];
    const uint32_t left[4] = {pair(first[0], first[1]), pair(first[2], first[3]), pair(second[0], second[1]),
                              pair(second[2], second[3])};
#pragma unroll
    for (int n = 0; n < S::kWidth; n += 16) {
      uint32_t right[4];
      load_matrices_transposed(right, b + (k + lane / 8 % 2 * 8 + lane % 8) * S::kStride + n + lane / 16 * 8);
      mma(sums[n / 8], left, right[0], right[1]);
      mma(sums[n / 8 + 1], left, right[2], right[3]);
    }
  }
}

/// The lane's elements of a row, times `factor`; `high` is the row g + 8.
template <typename S>
__device__ void store_row(BFloat16* to, const typename S::Rows& sums, bool high, float factor, int lane) {
#pragma unroll
  for (int n = 0; n < S::kWidth / 8; ++n)
    *reinterpret_cast<uint32_t*>(to + n * 8 + lane % 4 * 2) =
        pair(sums[n][high * 2] * factor, sums[n][high * 2 + 1] * factor);
}

/// The sum, or the largest, of the four lanes that share a row.
__device__ inline float sum_of_row(float value) {
  value += __shfl_xor_sync(~0u, value, 1);
  return value + __shfl_xor_sync(~0u, value, 2);
}
__device__ inline float largest_of_row(float value) {
  value = fmaxf(value, __shfl_xor_sync(~0u, value, 1));
  return fmaxf(value, __shfl_xor_sync(~0u, value, 2));
}

template <typename S>
__global__ void __launch_bounds__(S::kThreads)
    mma_forward(const BFloat16* q, const BFloat16* k, const BFloat16* v, SequenceBounds bounds,
                const int32_t* examples, const int32_t* passes, const StepScalars* scalars,
                AttentionNumbers numbers, BFloat16* out, float* log_sums) {
  using Keeps = typename S::Keeps;
  RAT_SHARED(BFloat16, queries, S::kElements);
  RAT_SHARED(BFloat16, keys, S::kElements);
  RAT_SHARED(BFloat16, values, S::kElements);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kTile;
  if (first_row >= head.queries) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32), warp_row = static_cast<int>(threadIdx.x / 32) * 16;
  const float scale = static_cast<float>(numbers.scale) * kLog2E;
  load_tile<S>(queries, q + head.query(first_row), numbers.query_stride, head.queries - first_row);

  typename S::Rows sums = {};
  float highest[2] = {-INFINITY, -INFINITY},
        total[2] = {0, 0};  // of rows g and g + 8; the lane's part of the total
  for (int key = 0; key < head.length; key += S::kTile) {
    const int64_t from = head.key(key);
    const int valid = head.length - key;
    __syncthreads();  // the tiles of before are read until here
    load_tile<S>(keys, k + from, numbers.key_stride, valid);
    load_tile<S>(values, v + from, numbers.key_stride, valid);
    Keeps::fill(bits, mask, first_row, key);
    wait_for_copies();
    __syncthreads();
    typename S::Scores scores;
    multiply<S>(scores, queries, keys, warp_row, lane);
#pragma unroll
    for (int high = 0; high < 2; ++high) {
      const int row = warp_row + lane / 4 + high * 8;
      float largest = highest[high];
#pragma unroll
      for (int n = 0; n < S::kTile / 8; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores[n][high * 2 + i];
          score = n * 8 + lane % 4 * 2 + i < valid ? score * scale : -INFINITY;
          largest = fmaxf(largest, score);
        }
      largest = largest_of_row(largest);
      const float factor = exp2f(highest[high] - largest);
      highest[high] = largest;
      total[high] *= factor;
#pragma unroll
      for (int n = 0; n < S::kWidth / 8; ++n) {
        sums[n][high * 2] *= factor;
        sums[n][high * 2 + 1] *= factor;
      }
#pragma unroll
      for (int n = 0; n < S::kTile / 8; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores[n][high * 2 + i];
          const float p = exp2f(score - largest);
          total[high] += p;
          score = Keeps::keeps(bits, mask, first_row, key, row, n * 8 + lane % 4 * 2 + i) ? p : 0;
        }
    }
    accumulate<S>(sums, scores, values, lane);
  }
#pragma unroll
  for (int high = 0; high < 2; ++high) {
    const float sum = sum_of_row(total[high]);
    const int64_t row = first_row + warp_row + lane / 4 + high * 8;
    if (row >= head.queries) continue;
    store_row<S>(out + head.result(row), sums, high, static_cast<float>(mask.scale()) / sum, lane);
    if (lane % 4 == 0) log_sums[head.statistic(row)] = highest[high] * kLn2 + logf(sum);
  }
  // Here, as before the loop it would cost registers.
  head.clear_gap(out + head.result(head.length), head.out_stride(), bounds);
}

template <typename S>
__global__ void __launch_bounds__(S::kThreads)
    mma_dq(const BFloat16* q, const BFloat16* k, const BFloat16* v, const BFloat16* dout,
           SequenceBounds bounds, const int32_t* examples, const int32_t* passes, const StepScalars* scalars,
           AttentionNumbers numbers, const float* log_sums, const float* row_products, BFloat16* dq) {
  using Keeps = typename S::Keeps;
  RAT_SHARED(BFloat16, queries, S::kElements);
  RAT_SHARED(BFloat16, slopes, S::kElements);  // dO
  RAT_SHARED(BFloat16, keys, S::kElements);
  RAT_SHARED(BFloat16, values, S::kElements);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kTile;
  if (first_row >= head.queries) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32), warp_row = static_cast<int>(threadIdx.x / 32) * 16;
  const float scale = static_cast<float>(numbers.scale) * kLog2E, kept = static_cast<float>(mask.scale());
  head.clear_gap(dq + head.query(head.length), numbers.query_stride, bounds);
  load_tile<S>(queries, q + head.query(first_row), numbers.query_stride, head.queries - first_row);
  load_tile<S>(slopes, dout + head.result(first_row), head.out_stride(), head.queries - first_row);
  float log_sum[2] = {}, row_product[2] = {};
#pragma unroll
  for (int high = 0; high < 2; ++high) {
    const int64_t row = first_row + warp_row + lane / 4 + high * 8;
    if (row >= head.queries) continue;
    log_sum[high] = log_sums[head.statistic(row)] * kLog2E;
    row_product[high] = row_products[head.statistic(row)];
  }

  typename S::Rows sums = {};
  for (int key = 0; key < head.length; key += S::kTile) {
    const int64_t from = head.key(key);
    const int valid = head.length - key;
    __syncthreads();
    load_tile<S>(keys, k + from, numbers.key_stride, valid);
    load_tile<S>(values, v + from, numbers.key_stride, valid);
    Keeps::fill(bits, mask, first_row, key);
    wait_for_copies();
    __syncthreads();
    typename S::Scores scores, dp;
    multiply<S>(scores, queries, keys, warp_row, lane);
    multiply<S>(dp, slopes, values, warp_row, lane);
#pragma unroll
    for (int n = 0; n < S::kTile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int high = i / 2, at = n * 8 + lane % 4 * 2 + i % 2;
        const float p = at < valid ? exp2f(scores[n][i] * scale - log_sum[high]) : 0;
        const bool keeps = Keeps::keeps(bits, mask, first_row, key, warp_row + lane / 4 + high * 8, at);
        scores[n][i] = p * ((keeps ? dp[n][i] * kept : 0) - row_product[high]);
      }
    accumulate<S>(sums, scores, keys, lane);
  }
#pragma unroll
  for (int high = 0; high < 2; ++high) {
    const int64_t row = first_row + warp_row + lane / 4 + high * 8;
    if (row < head.queries)
      store_row<S>(dq + head.query(row), sums, high, static_cast<float>(numbers.scale), lane);
  }
}

/// Rows are keys here, columns queries.
template <typename S>
__global__ void __launch_bounds__(S::kThreads)
    mma_dkv(const BFloat16* q, const BFloat16* k, const BFloat16* v, const BFloat16* dout,
            SequenceBounds bounds, const int32_t* examples, const int32_t* passes, const StepScalars* scalars,
            AttentionNumbers numbers, const float* log_sums, const float* row_products, BFloat16* dk,
            BFloat16* dv) {
  using Keeps = typename S::Keeps;
  RAT_SHARED(BFloat16, keys, S::kElements);
  RAT_SHARED(BFloat16, values, S::kElements);
  RAT_SHARED(BFloat16, queries, S::kElements);
  RAT_SHARED(BFloat16, slopes, S::kElements);
  RAT_SHARED(float, log_sum, S::kTile);
  RAT_SHARED(float, row_product, S::kTile);
  RAT_SHARED(uint8_t, bits, Keeps::kBytes);
  const HeadOfBlock head(bounds, numbers);
  const int first_row = head.tile * S::kTile;
  if (first_row >= head.length) return;
  const MaskOfHead mask{head, examples, passes, scalars};
  const int lane = static_cast<int>(threadIdx.x % 32), warp_row = static_cast<int>(threadIdx.x / 32) * 16;
  head.clear_gap(dk + head.key(head.length), numbers.key_stride, bounds);
  head.clear_gap(dv + head.key(head.length), numbers.key_stride, bounds);
  const int64_t rows_from = head.key(first_row);
  const float scale = static_cast<float>(numbers.scale) * kLog2E, kept = static_cast<float>(mask.scale());
  load_tile<S>(keys, k + rows_from, numbers.key_stride, head.length - first_row);
  load_tile<S>(values, v + rows_from, numbers.key_stride, head.length - first_row);

  typename S::Rows dkeys = {}, dvalues = {};
  for (int query = 0; query < head.queries; query += S::kTile) {
    const int valid = head.queries - query;
    __syncthreads();
    load_tile<S>(queries, q + head.query(query), numbers.query_stride, valid);
    load_tile<S>(slopes, dout + head.result(query), head.out_stride(), valid);
    for (int i = static_cast<int>(threadIdx.x); i < S::kTile; i += S::kThreads) {
      const int64_t at = head.statistic(query + i);
      log_sum[i] = i < valid ? log_sums[at] * kLog2E : 0;
      row_product[i] = i < valid ? row_products[at] : 0;
    }
    Keeps::fill(bits, mask, query, first_row);
    wait_for_copies();
    __syncthreads();
    typename S::Scores p, dp;
    multiply<S>(p, keys, queries, warp_row, lane);
    multiply<S>(dp, values, slopes, warp_row, lane);
#pragma unroll
    for (int n = 0; n < S::kTile / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = n * 8 + lane % 4 * 2 + i % 2;
        const float probability = at < valid ? exp2f(p[n][i] * scale - log_sum[at]) : 0;
        const bool keeps = Keeps::keeps(bits, mask, query, first_row, at, warp_row + lane / 4 + i / 2 * 8);
        p[n][i] = keeps ? probability * kept : 0;
        dp[n][i] = p[n][i] * dp[n][i] - probability * row_product[at];
      }
    accumulate<S>(dvalues, p, slopes, lane);
    accumulate<S>(dkeys, dp, queries, lane);
  }
#pragma unroll
  for (int high = 0; high < 2; ++high) {
    const int row = warp_row + lane / 4 + high * 8;
    if (first_row + row >= head.length) continue;
    const int64_t to = rows_from + row * numbers.key_stride;
    store_row<S>(dk + to, dkeys, high, static_cast<float>(numbers.scale), lane);
    store_row<S>(dv + to, dvalues, high, 1, lane);
  }
}

/// Calls `run(sizes)` for the head's width.
template <typename Run>
void with_mma_sizes(int64_t head_width, Run run) {
  if (head_width == 32) return run(MmaSizes<32>{});
  if (head_width == 64) return run(MmaSizes<64>{});
  run(MmaSizes<128>{});
}

bool can_copy(const at::Tensor& x) {
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0 && x.stride(0) % 8 == 0;
}

}  // namespace

bool has_mma_attention(const AttentionCall& call) {
  const int64_t width = call.shape.head_width;
  return call.qkv.scalar_type() == at::kBFloat16 && !call.shape.first_only &&
         (width == 32 || width == 64 || width == 128) && can_copy(call.qkv) &&
         compute_capability(call.qkv.get_device()) >= 80;
}

void mma_attention(const AttentionCall& call, at::Tensor& out, at::Tensor& log_sums) {
  with_mma_sizes(call.shape.head_width, [&](auto sizes) {
    using S = decltype(sizes);
    const AttentionNumbers numbers = call.numbers(call.shape.longest, S::kTile);
    RAT_LAUNCH(mma_forward<S>, call.blocks(numbers), S::kThreads, call.q<BFloat16>(), call.k<BFloat16>(),
               call.v<BFloat16>(), call.bounds(), call.examples(), call.passes(), call.scalars(), numbers,
               out.data_ptr<BFloat16>(), log_sums.data_ptr<float>());
  });
}

void mma_attention_backward(const AttentionCall& call, const AttentionGradients& gradients) {
  with_mma_sizes(call.shape.head_width, [&](auto sizes) {
    using S = decltype(sizes);
    const AttentionNumbers numbers = call.numbers(call.shape.longest, S::kTile);
    RAT_LAUNCH(mma_dq<S>, call.blocks(numbers), S::kThreads, call.q<BFloat16>(), call.k<BFloat16>(),
               call.v<BFloat16>(), gradients.dout.const_data_ptr<BFloat16>(), call.bounds(), call.examples(),
               call.passes(), call.scalars(), numbers, gradients.log_sums.const_data_ptr<float>(),
               gradients.row_products.const_data_ptr<float>(), gradients.dqueries.data_ptr<BFloat16>());
    RAT_LAUNCH(mma_dkv<S>, call.blocks(numbers), S::kThreads, call.q<BFloat16>(), call.k<BFloat16>(),
               call.v<BFloat16>(), gradients.dout.const_data_ptr<BFloat16>(), call.bounds(), call.examples(),
               call.passes(), call.scalars(), numbers, gradients.log_sums.const_data_ptr<float>(),
               gradients.row_products.const_data_ptr<float>(),
               gradients.dqkv.data_ptr<BFloat16>() + call.shape.key_column(),
               gradients.dqkv.data_ptr<BFloat16>() + call.shape.value_column());
  });
}

}  // namespace rat::cuda
