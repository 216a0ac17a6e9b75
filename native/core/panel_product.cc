#include "core/panel_product.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

/// Columns of a panel, which is `[depth, 32]`; the last of a matrix is filled up with zeros.
constexpr int64_t kPanel = 32;
/// Of a long sum so much at a time, and so many panels, as stay in a cache of a processor's own.
constexpr int64_t kDepth = 1024, kBytesOfPanels = 384 << 10;
/// Rows of a block at most: all sums of a panel stand in the registers of AVX-512.
constexpr int64_t kMostRows = 12;

template <typename scalar_t>
struct Matrix {
  const scalar_t* data;
  int64_t down, across;  // strides
};

/// Some rows, the panel that they are multiplied with, and where the result goes, `width` columns of it.
template <typename scalar_t>
struct Rows {
  int64_t count, depth;
  Matrix<scalar_t> from;  // [count, depth]
  const scalar_t* panel;
  const scalar_t* before;  // what the result begins with; zeros if null
  int64_t before_stride;
  scalar_t* to;
  int64_t to_stride, width;
};

template <typename scalar_t>
void plain_rows(const Rows<scalar_t>& rows) {
  for (int64_t row = 0; row < rows.count; ++row) {
    scalar_t* to = rows.to + row * rows.to_stride;
    scalar_t sums[kPanel]{};
    for (int64_t k = 0; k < rows.depth; ++k)
      for (int64_t j = 0; j < kPanel; ++j)
        sums[j] += rows.from.data[row * rows.from.down + k * rows.from.across] * rows.panel[k * kPanel + j];
    for (int64_t j = 0; j < rows.width; ++j)
      to[j] = (rows.before ? rows.before[row * rows.before_stride + j] : scalar_t(0)) + sums[j];
  }
}

/// The first `kRows` rows and `kVectors` registers of columns from `column` on, whose sums stay in registers.
template <int kRows, int kVectors, int kBytes, typename scalar_t>
RAT_ALWAYS_INLINE void block(const Rows<scalar_t>& rows, int64_t column) {
  using Vector = typename Vectors<scalar_t, kBytes>::Vector;
  constexpr int64_t kCount = Vectors<scalar_t, kBytes>::kCount;
  Vector sums[kRows][kVectors]{};
  const scalar_t *from = rows.from.data, *panel = rows.panel + column;
  const int64_t down = rows.from.down, across = rows.from.across;
  for (int64_t k = 0; k < rows.depth; ++k) {
    Vector b[kVectors];
    for (int v = 0; v < kVectors; ++v) load(b[v], panel + k * kPanel + v * kCount);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sums[r][v] += from[r * down + k * across] * b[v];
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      const int64_t first = column + v * kCount;
      const scalar_t* before = rows.before ? rows.before + r * rows.before_stride + first : nullptr;
      scalar_t* to = rows.to + r * rows.to_stride + first;
      Vector start{};
      if (first + kCount <= rows.width) {
        if (before) load(start, before);
        store_some(to, start + sums[r][v], kCount);
      } else if (first < rows.width) {
        if (before) load_some(start, before, rows.width - first);
        store_some(to, start + sums[r][v], rows.width - first);
      }
    }
}

/// At most `kRows` rows.
template <int kRows, int kVectors, int kBytes, typename scalar_t>
RAT_ALWAYS_INLINE void rows_any(const Rows<scalar_t>& rows) {
  if (rows.count == kRows) {
    for (int64_t column = 0; column < rows.width; column += kVectors * Vectors<scalar_t, kBytes>::kCount)
      block<kRows, kVectors, kBytes>(rows, column);
  } else if constexpr (kRows > 1) {
    rows_any<kRows - 1, kVectors, kBytes>(rows);
  }
}

/// Panels of `[depth, width]`, one after the other.
template <typename scalar_t>
RAT_ALWAYS_INLINE void pack_any(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width, scalar_t* to) {
  const int64_t rest = width % kPanel, whole = width - rest;
  if (rest > 0) std::fill_n(to + whole * depth, depth * kPanel, scalar_t(0));
  constexpr int64_t kTile = 8;  // lines of the panel that stay in the first cache while columns are written
  if (matrix.across == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      const scalar_t* row = matrix.data + k * matrix.down;
      for (int64_t first = 0; first < whole; first += kPanel)
        std::memcpy(to + first * depth + k * kPanel, row + first, kPanel * sizeof(scalar_t));
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

/// As pack_any, for registers that hold 16 numbers.
RAT_ALWAYS_INLINE void pack_wide(const Matrix<float>& matrix, int64_t depth, int64_t width, float* to) {
#ifdef RAT_HAS_SHUFFLE
  constexpr int64_t kTile = Vectors<float>::kCount;
  if (matrix.down == 1 && depth % kTile == 0 && width % kPanel == 0) {
    for (int64_t first = 0; first < width; first += kTile)
      for (int64_t k = 0; k < depth; k += kTile) {
        Vectors<float>::Vector tile[kTile];
        for (int64_t i = 0; i < kTile; ++i) load(tile[i], matrix.data + k + (first + i) * matrix.across);
        transpose(tile);
        float* corner = to + first / kPanel * kPanel * depth + k * kPanel + first % kPanel;
        for (int64_t i = 0; i < kTile; ++i) store_some(corner + i * kPanel, tile[i], kTile);
      }
    return;
  }
#endif
  pack_any(matrix, depth, width, to);
}
RAT_ALWAYS_INLINE void pack_wide(const Matrix<double>& matrix, int64_t depth, int64_t width, double* to) {
  pack_any(matrix, depth, width, to);
}

/// Code for one kind of processor. As many sums as there are registers for, two to a row: of 32 or 16.
template <typename scalar_t>
struct Code {
  int64_t most_rows;
  void (*rows)(const Rows<scalar_t>&);
  void (*pack)(const Matrix<scalar_t>&, int64_t depth, int64_t width, scalar_t* to);
};

template <typename scalar_t>
void pack_plain(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width, scalar_t* to) {
  pack_any(matrix, depth, width, to);
}
#ifdef RAT_X86
template <typename scalar_t>
RAT_TARGET_AVX512 void rows_avx512(const Rows<scalar_t>& rows) {
  rows_any<kMostRows, 2, 64>(rows);
}
template <typename scalar_t>
RAT_TARGET_AVX2 void rows_avx2(const Rows<scalar_t>& rows) {
  rows_any<6, 2, 32>(rows);
}
template <typename scalar_t>
RAT_TARGET_AVX512 void pack_avx512(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width,
                                   scalar_t* to) {
  pack_wide(matrix, depth, width, to);
}
template <typename scalar_t>
RAT_TARGET_AVX2 void pack_avx2(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width, scalar_t* to) {
  pack_any(matrix, depth, width, to);
}
#endif

template <typename scalar_t>
const Code<scalar_t>& code() {
  static const Code<scalar_t> chosen = []() -> Code<scalar_t> {
#ifdef RAT_X86
    if (cpu_version() == CpuVersion::kAvx512)
      return {kMostRows, rows_avx512<scalar_t>, pack_avx512<scalar_t>};
    if (cpu_version() == CpuVersion::kAvx2) return {6, rows_avx2<scalar_t>, pack_avx2<scalar_t>};
#endif
    return {kMostRows, plain_rows<scalar_t>, pack_plain<scalar_t>};
  }();
  return chosen;
}

template <typename scalar_t>
Matrix<scalar_t> matrix_of(const at::Tensor& x) {
  return {x.const_data_ptr<scalar_t>(), x.stride(0), x.stride(1)};
}

/// A whole product, in the order that keeps panels in the second cache and a block's rows in the first.
template <typename scalar_t>
struct Product {
  int64_t m, k, n;
  Matrix<scalar_t> x;        // [m, k]
  Matrix<scalar_t> columns;  // [k, n]
  const scalar_t* bias;      // null: none
  scalar_t* to;              // [m, n]

  int64_t panels() const { return (n + kPanel - 1) / kPanel; }

  /// The columns of some panels, all rows.
  void take(int64_t first_panel, int64_t last_panel) const {
    const int64_t depth = std::min(k, kDepth), most_rows = code<scalar_t>().most_rows;
    const int64_t panel_bytes = std::max<int64_t>(depth, 1) * kPanel * static_cast<int64_t>(sizeof(scalar_t));
    const int64_t together = std::clamp<int64_t>(kBytesOfPanels / panel_bytes, 1, last_panel - first_panel);
    const auto type = c10::CppTypeToScalarType<scalar_t>::value;
    const at::Tensor scratch = at::empty({together * kPanel + most_rows, depth}, type);
    auto *packed = scratch.data_ptr<scalar_t>(), *row_scratch = packed + together * kPanel * depth;
    for (int64_t first = 0; first == 0 || first < k; first += kDepth)
      for (int64_t panel = first_panel; panel < last_panel; panel += together)
        take(first, panel, std::min(panel + together, last_panel), packed, row_scratch);
  }

 private:
  void take(int64_t first_k, int64_t first_panel, int64_t last_panel, scalar_t* packed,
            scalar_t* row_scratch) const {
    const int64_t depth = std::min(k - first_k, kDepth);
    const int64_t first_column = first_panel * kPanel;
    code<scalar_t>().pack(
        {columns.data + first_k * columns.down + first_column * columns.across, columns.down, columns.across},
        depth, std::min(last_panel * kPanel, n) - first_column, packed);
    const int64_t most_rows = code<scalar_t>().most_rows;
    for (int64_t row = 0; row < m; row += most_rows) {
      const int64_t count = std::min(most_rows, m - row);
      Matrix<scalar_t> from{x.data + row * x.down + first_k * x.across, x.down, x.across};
      if (x.across != 1) from = side_by_side(from, count, depth, row_scratch);
      for (int64_t panel = first_panel; panel < last_panel; ++panel) {
        const int64_t column = panel * kPanel;
        scalar_t* target = to + row * n + column;
        const bool begins = first_k == 0;
        code<scalar_t>().rows({count, depth, from, packed + (panel - first_panel) * depth * kPanel,
                               !begins ? target
                               : bias  ? bias + column
                                       : nullptr,
                               begins ? 0 : n, target, n, std::min(kPanel, n - column)});
      }
    }
  }

  /// Rows that stand across those of memory.
  static Matrix<scalar_t> side_by_side(const Matrix<scalar_t>& from, int64_t count, int64_t depth,
                                       scalar_t* to) {
    if (from.down == 1 && count == kMostRows)
      for (int64_t j = 0; j < depth; ++j)
        std::memcpy(to + j * kMostRows, from.data + j * from.across, kMostRows * sizeof(scalar_t));
    else
      for (int64_t j = 0; j < depth; ++j)
        for (int64_t row = 0; row < count; ++row)
          to[j * count + row] = from.data[row * from.down + j * from.across];
    return {to, 1, count};
  }
};

template <typename scalar_t>
void multiply(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
              const at::Tensor& result) {
  const Product<scalar_t> product{x.size(0),
                                  x.size(1),
                                  weight.size(0),
                                  matrix_of<scalar_t>(x),
                                  matrix_of<scalar_t>(weight.t()),
                                  bias ? bias->const_data_ptr<scalar_t>() : nullptr,
                                  result.data_ptr<scalar_t>()};
  at::parallel_for(0, product.panels(), 1, [&](int64_t begin, int64_t end) { product.take(begin, end); });
}

}  // namespace

bool takes_panels(const at::Tensor& x) {
  const at::ScalarType type = x.scalar_type();
  return x.device().is_cpu() && (type == at::kFloat || type == at::kDouble) && is_on(Saving::kPanels) &&
         cpu_version() != CpuVersion::kPlain;
}

at::Tensor panel_product(const at::Tensor& x, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias) {
  at::Tensor result = at::empty({x.size(0), weight.size(0)}, x.options());
  if (result.numel() == 0) return result;
  const std::optional<at::Tensor> added = bias ? std::optional(bias->contiguous()) : std::nullopt;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "panel_product",
                             [&] { multiply<scalar_t>(x, weight, added, result); });
  return result;
}

template <typename scalar_t>
PanelProduct<scalar_t>::PanelProduct(const at::Tensor& matrix)
    : k_(matrix.size(0)),
      n_(matrix.size(1)),
      panels_(at::empty({(n_ + kPanel - 1) / kPanel, k_, kPanel}, matrix.options())) {
  code<scalar_t>().pack(matrix_of<scalar_t>(matrix), k_, n_, panels_.template data_ptr<scalar_t>());
}

template <typename scalar_t>
void PanelProduct<scalar_t>::add(int64_t rows, const scalar_t* from, int64_t from_stride, scalar_t* to,
                                 int64_t to_stride) const {
  const auto* panels = panels_.template const_data_ptr<scalar_t>();
  const int64_t most_rows = code<scalar_t>().most_rows;
  for (int64_t first = 0; first < n_; first += kPanel)
    for (int64_t row = 0; row < rows; row += most_rows) {
      scalar_t* target = to + row * to_stride + first;
      code<scalar_t>().rows({std::min(most_rows, rows - row),
                             k_,
                             {from + row * from_stride, from_stride, 1},
                             panels + first * k_,
                             target,
                             to_stride,
                             target,
                             to_stride,
                             std::min(kPanel, n_ - first)});
    }
}

template class PanelProduct<float>;
template class PanelProduct<double>;

}  // namespace rat
