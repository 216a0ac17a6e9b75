#include "core/panel_product.h"

#include "core/panel_product_bf16.h"
#include "core/panels.h"
#include "core/savings.h"

namespace rat {
namespace {

using panels::Code;
using panels::kMostRows;
using panels::kPanel;
using panels::Matrix;
using panels::Rows;

/// Of float or double, each by itself.
template <typename scalar_t>
struct Numbers {
  using Source = scalar_t;
  using Element = scalar_t;
  using Sum = scalar_t;
  using Result = scalar_t;
  static constexpr int64_t kNumbers = 1;

  static const Code<Numbers>& code();

  /// As they stand, or side by side where they stand across the rows of memory.
  static Matrix<scalar_t> rows_of(const Matrix<scalar_t>& from, int64_t count, int64_t depth, scalar_t* to) {
    if (from.across == 1) return from;
    if (from.down == 1 && count == kMostRows)
      for (int64_t k = 0; k < depth; ++k)
        std::memcpy(to + k * kMostRows, from.data + k * from.across, kMostRows * sizeof(scalar_t));
    else
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t row = 0; row < count; ++row)
          to[k * count + row] = from.data[row * from.down + k * from.across];
    return {to, 1, count};
  }
};

template <typename scalar_t>
void plain_rows(const Rows<Numbers<scalar_t>>& rows) {
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
RAT_ALWAYS_INLINE void block(const Rows<Numbers<scalar_t>>& rows, int64_t column) {
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
RAT_ALWAYS_INLINE void rows_any(const Rows<Numbers<scalar_t>>& rows) {
  if (rows.count == kRows) {
    for (int64_t column = 0; column < rows.width; column += kVectors * Vectors<scalar_t, kBytes>::kCount)
      block<kRows, kVectors, kBytes>(rows, column);
  } else if constexpr (kRows > 1) {
    rows_any<kRows - 1, kVectors, kBytes>(rows);
  }
}

template <typename scalar_t>
void pack_plain(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width, scalar_t* to) {
  panels::pack_any(matrix, depth, width, to);
}
#ifdef RAT_X86
template <typename scalar_t>
RAT_TARGET_AVX512 void rows_avx512(const Rows<Numbers<scalar_t>>& rows) {
  rows_any<kMostRows, 2, 64>(rows);
}
template <typename scalar_t>
RAT_TARGET_AVX2 void rows_avx2(const Rows<Numbers<scalar_t>>& rows) {
  rows_any<6, 2, 32>(rows);
}
template <typename scalar_t>
RAT_TARGET_AVX512 void pack_avx512(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width,
                                   scalar_t* to) {
#ifdef RAT_HAS_SHUFFLE
  if constexpr (std::is_same_v<scalar_t, float>)
    if (matrix.down == 1 && panels::has_whole_tiles(depth, width))
      return panels::pack_tiles(matrix.data, matrix.across, depth, width, to);
#endif
  panels::pack_any(matrix, depth, width, to);
}
template <typename scalar_t>
RAT_TARGET_AVX2 void pack_avx2(const Matrix<scalar_t>& matrix, int64_t depth, int64_t width, scalar_t* to) {
  panels::pack_any(matrix, depth, width, to);
}
#endif

template <typename scalar_t>
const Code<Numbers<scalar_t>>& Numbers<scalar_t>::code() {
  static const Code<Numbers> chosen = []() -> Code<Numbers> {
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
at::Tensor multiply(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  at::Tensor result = at::empty({x.size(0), weight.size(0)}, x.options());
  panels::take<Numbers<scalar_t>>(result, x, weight, {bias ? bias->contiguous() : at::Tensor(), false});
  return result;
}

}  // namespace

bool takes_panels(const at::Tensor& x) {
  if (!x.device().is_cpu() || !is_on(Saving::kPanels) || cpu_version() == CpuVersion::kPlain) return false;
  const at::ScalarType type = x.scalar_type();
  return type == at::kFloat || type == at::kDouble || (type == at::kBFloat16 && has_bf16_panels());
}

at::Tensor panel_product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                         at::ScalarType result) {
  switch (x.scalar_type()) {
    case at::kBFloat16:
      return bf16_panel_product(x, weight, bias, result);
    case at::kFloat:
      return multiply<float>(x, weight, bias).to(result);
    default:
      return multiply<double>(x, weight, bias).to(result);
  }
}

void add_panel_product(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight) {
  switch (x.scalar_type()) {
    case at::kBFloat16:
      return add_bf16_panel_product(sum, x, weight);
    case at::kFloat:
      return panels::take<Numbers<float>>(sum, x, weight, {{}, true});
    default:
      return panels::take<Numbers<double>>(sum, x, weight, {{}, true});
  }
}

template <typename scalar_t>
PanelProduct<scalar_t>::PanelProduct(const at::Tensor& matrix)
    : k_(matrix.size(0)),
      n_(matrix.size(1)),
      panels_(at::empty({(n_ + kPanel - 1) / kPanel, k_, kPanel}, matrix.options())) {
  Numbers<scalar_t>::code().pack(panels::matrix_of<scalar_t>(matrix), k_, n_,
                                 panels_.template data_ptr<scalar_t>());
}

template <typename scalar_t>
void PanelProduct<scalar_t>::add(int64_t rows, const scalar_t* from, int64_t from_stride, scalar_t* to,
                                 int64_t to_stride) const {
  const auto* panels = panels_.template const_data_ptr<scalar_t>();
  const Code<Numbers<scalar_t>>& code = Numbers<scalar_t>::code();
  for (int64_t first = 0; first < n_; first += kPanel)
    for (int64_t row = 0; row < rows; row += code.most_rows) {
      scalar_t* target = to + row * to_stride + first;
      code.rows({std::min(code.most_rows, rows - row),
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
