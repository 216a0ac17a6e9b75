// A row that a warp normalises: it goes through it several times, and finds it in the cache from the second time on. A lane has
// blocks of four neighbouring elements, those of a Philox block.
#pragma once

#include "cuda/mask.cuh"
#include "cuda/reduce.cuh"
#include "cuda/warp_rows.cuh"

namespace rat::cuda {

/// One row's channels, as its lanes have them, and its mask.
struct NormRow {
  int64_t row, width, first_block;
  int lane, lead;  // the row's first element may stand inside a block
  const RowMasks& masks;

  __device__ NormRow(int64_t row, int64_t width, const RowMasks& masks)
      : row(row),
        width(width),
        first_block(masks.scalars ? masks.positions[row] * width / 4 : 0),
        lane(static_cast<int>(threadIdx.x % 32)),
        lead(masks.scalars ? static_cast<int>(masks.positions[row] * width % 4) : 0),
        masks(masks) {}

  /// Calls `apply(channel)`.
  template <typename Apply>
  __device__ void for_each(Apply apply) const {
    for_each_block([](int64_t) { return 0; }, [&](int64_t channel, int, int) { apply(channel); });
  }

  /// Calls `apply(channel, factor)` with what the mask multiplies by.
  template <typename number_t, typename Apply>
  __device__ void for_each_masked(Apply apply) const {
    if (!masks.scalars) return for_each([&](int64_t channel) { apply(channel, number_t(1)); });
    const MaskStream mask = masks.of(row);
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

/// 1 / deviation of the numbers of a row that a warp has written to `sums`; `total` is the lane's share of their sum.
template <typename number_t>
__device__ inline void normalise(const NormRow& at, const number_t* sums, number_t total, double eps,
                                 number_t& mean, number_t& rate) {
  const auto width = static_cast<number_t>(at.width);
  number_t squares = 0;
  mean = warp_sum(total) / width;
  // What a lane has written it alone reads again.
  at.for_each([&](int64_t i) {
    const number_t difference = sums[i] - mean;
    squares += difference * difference;
  });
  rate = 1 / std::sqrt(warp_sum(squares) / width + static_cast<number_t>(eps));
}

}  // namespace rat::cuda
