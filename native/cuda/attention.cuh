// What both kinds of attention's kernels share: attention.cu takes any type and width, attention_mma.cu is for tensor
// cores. A block has a tile of rows of one head of one sequence; tiles beyond the sequence's end return at once.
//
// Backward, with P the probabilities, M the mask and O = (P M) V:  dV = (P M)^T dO,  dS = P (dP - rowsum(dO O)) with
// dP = (dO V^T) M,  dQ = dS K / sqrt(width),  dK = dS^T Q / sqrt(width). P is made again from the logarithms of its rows'
// sums. One kernel goes through the queries for dQ, one through the keys for dK and dV: no atomics, the same bits each time.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/mask.cuh"
#include "layers/attention.h"

namespace rat::cuda {

/// What is the same for all blocks of a call.
struct AttentionNumbers {
  int64_t query_rows;    // of queries and results
  int64_t query_stride;  // from one row of queries to the next; of results it is heads * head_width
  int64_t key_stride;    // of keys and values
  int32_t heads, head_width;
  int32_t tiles;  // of the longest sequence
  bool first_only;
  DropoutKind kind;
  uint32_t site_and_layer;
  double scale;  // of scores
};

/// Where sequences begin, `[S + 1]`, and end, `[S]`: there may be rows between them that none has.
struct SequenceBounds {
  const int64_t *starts, *ends;

  template <typename F>
  void for_each_pointer(F f) {
    f(starts);
    f(ends);
  }
};

/// What a block works at: a tile of rows of one head of one sequence.
struct HeadOfBlock {
  const AttentionNumbers& numbers;
  int32_t head, tile, length, queries;
  int64_t sequence, first_key, first_query;

  __device__ HeadOfBlock(const SequenceBounds& bounds, const AttentionNumbers& numbers)
      : numbers(numbers),
        head(static_cast<int32_t>(blockIdx.y)),
        tile(static_cast<int32_t>(blockIdx.x % numbers.tiles)),
        sequence(blockIdx.x / numbers.tiles) {
    first_key = bounds.starts[sequence];
    length = static_cast<int32_t>(bounds.ends[sequence] - first_key);
    queries = numbers.first_only ? 1 : length;
    first_query = numbers.first_only ? sequence : first_key;
  }

  /// From one row of results to the next.
  __device__ int64_t out_stride() const { return int64_t{numbers.heads} * numbers.head_width; }
  /// Where a row of the sequence begins in the tensor of queries; of keys, and of values; of results; and in that of a number
  /// for each query.
  __device__ int64_t query(int64_t row) const {
    return (first_query + row) * numbers.query_stride + int64_t{head} * numbers.head_width;
  }
  __device__ int64_t key(int64_t row) const {
    return (first_key + row) * numbers.key_stride + int64_t{head} * numbers.head_width;
  }
  __device__ int64_t result(int64_t row) const {
    return (first_query + row) * out_stride() + int64_t{head} * numbers.head_width;
  }
  __device__ int64_t statistic(int64_t row) const { return head * numbers.query_rows + first_query + row; }

  /// The rows up to the next sequence, which no sequence has, become zero, in this head's part; `rows` is the first of them. By
  /// the block of the first tile.
  template <typename element_t>
  __device__ void clear_gap(element_t* rows, int64_t stride, const SequenceBounds& bounds) const {
    if (tile > 0) return;
    const int64_t elements = (bounds.starts[sequence + 1] - bounds.ends[sequence]) * numbers.head_width;
    for (int64_t i = threadIdx.x; i < elements; i += blockDim.x)
      rows[i / numbers.head_width * stride + i % numbers.head_width] = element_t(0);
  }
};

/// The mask of one head: element (head * L + query) * L + key of its sequence's.
struct MaskOfHead {
  const HeadOfBlock& head;
  const int32_t *examples, *passes;
  const StepScalars* scalars;  // null: nothing is dropped

  __device__ bool is_masked() const { return scalars != nullptr; }
  __device__ int64_t first() const { return int64_t{head.head} * head.length * head.length; }
  /// Read anew for each tile: kept in between, its parts take the registers that products need.
  __device__ MaskStream stream() const {
    return mask_stream(*scalars, head.numbers.kind, head.numbers.site_and_layer, passes[head.sequence],
                       examples[head.sequence]);
  }
  /// Of what is kept.
  __device__ double scale() const { return is_masked() ? stream().scale : 1; }
};

/// The mask of kQueries x kKeys elements, four bits a Philox block: a block's words are drawn once, by whichever thread, and
/// read by those that need them.
template <int kQueries, int kKeys>
struct MaskTile {
  static constexpr int kBlocks = kKeys / 4 + 1;  // of a row, which may start inside a block
  static constexpr int kBytes = kQueries * kBlocks;

  /// All threads take part; the caller waits before bits are read.
  static __device__ void fill(uint8_t* bits, const MaskOfHead& mask, int query, int key) {
    if (!mask.is_masked()) return;
    const MaskStream stream = mask.stream();
    for (int i = static_cast<int>(threadIdx.x); i < kBytes; i += static_cast<int>(blockDim.x)) {
      const int row = query + i / kBlocks;
      if (row >= mask.head.queries) break;
      const int64_t element = mask.first() + int64_t{row} * mask.head.length + key;
      const PhiloxBlock words = stream.block(static_cast<uint32_t>(element / 4 + i % kBlocks));
      int kept = 0;
#pragma unroll
      for (int word = 0; word < 4; ++word) kept |= (words.v[word] >= stream.threshold) << word;
      bits[i] = static_cast<uint8_t>(kept);
    }
  }

  /// Whether the element of row `i`, column `j` of the tile that begins at (query, key) is kept.
  static __device__ bool keeps(const uint8_t* bits, const MaskOfHead& mask, int query, int key, int i,
                               int j) {
    if (!mask.is_masked()) return true;
    const auto row = static_cast<uint32_t>(query + i), length = static_cast<uint32_t>(mask.head.length);
    const uint32_t lead =
        (static_cast<uint32_t>(mask.first()) + row * length + static_cast<uint32_t>(key)) % 4;
    const uint32_t at = lead + static_cast<uint32_t>(j);
    return bits[i * kBlocks + static_cast<int>(at / 4)] >> (at % 4) & 1;
  }
};

/// A call as the kernels read it.
struct AttentionCall {
  const at::Tensor &qkv, &queries;
  const AttentionShape& shape;

  template <typename element_t>
  const element_t* q() const {
    return queries.const_data_ptr<element_t>();
  }
  template <typename element_t>
  const element_t* k() const {
    return qkv.const_data_ptr<element_t>() + shape.key_column();
  }
  template <typename element_t>
  const element_t* v() const {
    return qkv.const_data_ptr<element_t>() + shape.value_column();
  }
  SequenceBounds bounds() const {
    return {shape.starts_index.const_data_ptr<int64_t>(), shape.ends_index.const_data_ptr<int64_t>()};
  }
  const int32_t* examples() const { return ids(shape.mask.rows.example_ids); }
  const int32_t* passes() const { return ids(shape.mask.rows.passes); }
  const StepScalars* scalars() const { return scalars_of(shape.mask); }

  /// For tiles of so many of the longest sequence's `rows`: tokens, or 1.
  AttentionNumbers numbers(int64_t rows, int64_t rows_of_tile) const {
    return {queries.size(0),
            queries.stride(0),
            qkv.stride(0),
            static_cast<int32_t>(shape.heads),
            static_cast<int32_t>(shape.head_width),
            static_cast<int32_t>((rows + rows_of_tile - 1) / rows_of_tile),
            shape.first_only,
            shape.mask.kind,
            shape.mask.site_and_layer,
            1 / std::sqrt(static_cast<double>(shape.head_width))};
  }
  int64_t longest_queries() const { return shape.first_only ? 1 : shape.longest; }
  dim3 blocks(const AttentionNumbers& numbers) const {
    return dim3(static_cast<unsigned>(shape.sequences * numbers.tiles), static_cast<unsigned>(shape.heads));
  }
};

/// What the backward pass is given besides, and where it writes.
struct AttentionGradients {
  const at::Tensor &dout, &log_sums;
  const at::Tensor& row_products;  // [heads, queries]: dO O, summed over the head
  const at::Tensor &dqkv, &dqueries;
};

/// attention_mma.cu: bf16 alone, where the device has tensor cores for it.
bool has_mma_attention(const AttentionCall& call);
void mma_attention(const AttentionCall& call, at::Tensor& out, at::Tensor& log_sums);
void mma_attention_backward(const AttentionCall& call, const AttentionGradients& gradients);

}  // namespace rat::cuda
