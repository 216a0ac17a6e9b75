// How core/panel_product.cc and core/panel_product_bf16.cc take a product apart: one matrix is laid out in panels of 32 columns,
// as many as stay in a processor's second cache, and blocks of rows, which stay in the first, go through all of them.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <type_traits>

#include "core/lanes.h"
#include "core/vectors.h"

namespace rat::panels {

/// Columns of a panel, which is `[depth, 32]`; the last of a matrix is filled up with zeros.
constexpr int64_t kPanel = 32;
/// Rows of a block at most: all sums of a panel stand in the registers of AVX-512.
constexpr int64_t kMostRows = 12;
/// Of a long sum so much at a time, and so many panels, as stay in the second cache.
constexpr int64_t kDepth = 1024, kBytesOfPanels = 384 << 10;
/// Multiplications of a thread at least, which take longer than to wake it.
constexpr int64_t kLeastWork = 4 << 20;

template <typename T>
struct Matrix {
  const T* data;
  int64_t down, across;  // strides

  Matrix from(int64_t row, int64_t column) const {
    return {data + row * down + column * across, down, across};
  }
};

template <typename T>
Matrix<T> matrix_of(const at::Tensor& x) {
  return {x.const_data_ptr<T>(), x.stride(0), x.stride(1)};
}

/// Some rows, the panel that they are multiplied with, and where the result goes, `width` columns of it.
template <typename Kind>
struct Rows {
  int64_t count, depth;
  Matrix<typename Kind::Element> from;  // [count, depth]
  const typename Kind::Element* panel;
  const typename Kind::Sum* before;  // what the result begins with; zeros if null
  int64_t before_stride;
  typename Kind::Result* to;
  int64_t to_stride, width;
};

/// Panels of `[depth, width]`, one after the other.
template <typename T>
RAT_ALWAYS_INLINE void pack_any(const Matrix<T>& matrix, int64_t depth, int64_t width, T* to) {
  const int64_t rest = width % kPanel, whole = width - rest;
  if (rest > 0) std::fill_n(to + whole * depth, depth * kPanel, T(0));
  constexpr int64_t kTile = 8;  // lines of the panel that stay in the first cache while columns are written
  if (matrix.across == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      const T* row = matrix.data + k * matrix.down;
      for (int64_t first = 0; first < whole; first += kPanel)
        std::memcpy(to + first * depth + k * kPanel, row + first, kPanel * sizeof(T));
      for (int64_t j = 0; j < rest; ++j) to[whole * depth + k * kPanel + j] = row[whole + j];
    }
  } else {
    for (int64_t first = 0; first < width; first += kPanel)
      for (int64_t begin = 0; begin < depth; begin += kTile)
        for (int64_t j = first; j < std::min(first + kPanel, width); ++j)
          for (int64_t k = begin; k < std::min(begin + kTile, depth); ++k)
            to[first * depth + k * kPanel + j - first] = matrix.data[k * matrix.down + j * matrix.across];
  }
}

#ifdef RAT_HAS_SHUFFLE
inline bool has_whole_tiles(int64_t depth, int64_t width) {
  return depth % Vectors<float>::kCount == 0 && width % kPanel == 0;
}

/// As pack_any in tiles of 16 by 16 words of 32 bits, of columns that stand `across` numbers apart and are not interrupted.
template <typename T>
RAT_ALWAYS_INLINE void pack_tiles(const T* columns, int64_t across, int64_t depth, int64_t width, float* to) {
  constexpr int64_t kTile = Vectors<float>::kCount, kNumbers = sizeof(float) / sizeof(T);
  for (int64_t first = 0; first < width; first += kTile)
    for (int64_t k = 0; k < depth; k += kTile) {
      Vectors<float>::Vector tile[kTile];
      for (int64_t i = 0; i < kTile; ++i) load(tile[i], columns + k * kNumbers + (first + i) * across);
      transpose(tile);
      float* corner = to + first / kPanel * kPanel * depth + k * kPanel + first % kPanel;
      for (int64_t i = 0; i < kTile; ++i) store_some(corner + i * kPanel, tile[i], kTile);
    }
}
#endif

/// A whole product. `Kind` says what its numbers are (Source), what is read at once (Element, of kNumbers), what is added up (Sum)
/// and what that becomes (Result), and has the code for the processor at hand.
template <typename Kind>
struct Product {
  using Source = typename Kind::Source;
  using Element = typename Kind::Element;

  int64_t m, k, n;
  Matrix<Source> x;                // [m, k]
  Matrix<Source> columns;          // [k, n]
  const typename Kind::Sum* bias;  // null: none
  bool adds;                       // to what there is
  typename Kind::Result* to;       // [m, n]

  void take() const {
    const int64_t of_panel = std::max<int64_t>(m * k * kPanel, 1);
    in_parallel((n + kPanel - 1) / kPanel, std::max<int64_t>(kLeastWork / of_panel, 1),
                [this](int64_t begin, int64_t end) { take_panels(begin, end); });
  }

 private:
  static int64_t elements(int64_t numbers) { return (numbers + Kind::kNumbers - 1) / Kind::kNumbers; }

  /// The columns of some panels, all rows.
  void take_panels(int64_t first_panel, int64_t last_panel) const {
    const int64_t depth = std::clamp<int64_t>(elements(k), 1, kDepth);
    const int64_t panel_bytes = depth * kPanel * static_cast<int64_t>(sizeof(Element));
    const int64_t together = std::clamp<int64_t>(kBytesOfPanels / panel_bytes, 1, last_panel - first_panel);
    const at::Tensor scratch = at::empty(
        {(together * kPanel + kMostRows) * depth * static_cast<int64_t>(sizeof(Element))}, at::kByte);
    auto *packed = reinterpret_cast<Element*>(scratch.data_ptr<uint8_t>()),
         *row_scratch = packed + together * kPanel * depth;
    for (int64_t first = 0; first == 0 || first < k; first += kDepth * Kind::kNumbers)
      for (int64_t panel = first_panel; panel < last_panel; panel += together)
        take_group(first, panel, std::min(panel + together, last_panel), packed, row_scratch);
  }

  /// Of the sums what comes from `first_k` on.
  void take_group(int64_t first_k, int64_t first_panel, int64_t last_panel, Element* packed,
                  Element* row_scratch) const {
    const int64_t numbers = std::min(k - first_k, kDepth * Kind::kNumbers), depth = elements(numbers);
    const int64_t first_column = first_panel * kPanel, most_rows = Kind::code().most_rows;
    Kind::code().pack(columns.from(first_k, first_column), numbers,
                      std::min(last_panel * kPanel, n) - first_column, packed);
    for (int64_t row = 0; row < m; row += most_rows) {
      const int64_t count = std::min(most_rows, m - row);
      const Matrix<Element> from = Kind::rows_of(x.from(row, first_k), count, numbers, row_scratch);
      for (int64_t panel = first_panel; panel < last_panel; ++panel) {
        const int64_t column = panel * kPanel;
        typename Kind::Result* target = to + row * n + column;
        const typename Kind::Sum* before = bias ? bias + column : nullptr;
        int64_t before_stride = 0;
        if constexpr (std::is_same_v<typename Kind::Sum, typename Kind::Result>)
          if (first_k > 0 || adds) {
            before = target;
            before_stride = n;
          }
        Kind::code().rows({count, depth, from, packed + (panel - first_panel) * depth * kPanel, before,
                           before_stride, target, n, std::min(kPanel, n - column)});
      }
    }
  }
};

/// What a product begins with.
struct Beginning {
  at::Tensor bias;  // of type Sum, contiguous; undefined: none
  bool adds;        // to what the result has
};

/// x `[m, k]` times the transpose of weight `[n, k]`.
template <typename Kind>
void take(const at::Tensor& result, const at::Tensor& x, const at::Tensor& weight,
          const Beginning& beginning) {
  Product<Kind>{
      x.size(0),
      x.size(1),
      weight.size(0),
      matrix_of<typename Kind::Source>(x),
      matrix_of<typename Kind::Source>(weight.t()),
      beginning.bias.defined() ? beginning.bias.template const_data_ptr<typename Kind::Sum>() : nullptr,
      beginning.adds,
      result.data_ptr<typename Kind::Result>()}
      .take();
}

/// Code for one kind of processor. As many sums as there are registers for, two to a row: of 32 or 16.
template <typename Kind>
struct Code {
  int64_t most_rows;
  void (*rows)(const Rows<Kind>&);
  void (*pack)(const Matrix<typename Kind::Source>&, int64_t numbers, int64_t width,
               typename Kind::Element* to);
};

}  // namespace rat::panels
