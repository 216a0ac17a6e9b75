#include "layers/panel_product.h"

#include <algorithm>

#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

constexpr int64_t kPanel = 32;

template <typename scalar_t>
struct Panels {
  const scalar_t* data;
  int64_t k, n;
};
template <typename scalar_t>
struct PanelRows {
  int64_t count;
  const scalar_t* from;
  int64_t from_stride;
  scalar_t* to;
  int64_t to_stride;
};

template <typename scalar_t>
void plain_add(const Panels<scalar_t>& b, const PanelRows<scalar_t>& rows) {
  for (int64_t first = 0; first < b.n; first += kPanel)
    for (int64_t row = 0; row < rows.count; ++row) {
      const scalar_t *from = rows.from + row * rows.from_stride, *panel = b.data + first * b.k;
      scalar_t* to = rows.to + row * rows.to_stride + first;
      const int64_t width = std::min(kPanel, b.n - first);
      for (int64_t k = 0; k < b.k; ++k)
        for (int64_t j = 0; j < width; ++j) to[j] += from[k] * panel[k * kPanel + j];
    }
}

/// A block of the result that stays in registers: so many rows of so many registers.
template <int kRows, int kVectors, typename scalar_t>
RAT_ALWAYS_INLINE void add_block(const scalar_t* panel, int64_t k_count, const PanelRows<scalar_t>& rows,
                                 int64_t row, int64_t column, int64_t width) {
  using Vector = typename Vectors<scalar_t>::Vector;
  constexpr int64_t kCount = Vectors<scalar_t>::kCount;
  Vector sums[kRows][kVectors]{};
  const scalar_t* from = rows.from + row * rows.from_stride;
  for (int64_t k = 0; k < k_count; ++k) {
    Vector b[kVectors];
    for (int v = 0; v < kVectors; ++v) load(b[v], panel + k * kPanel + v * kCount);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sums[r][v] += from[r * rows.from_stride + k] * b[v];
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      scalar_t* to = rows.to + (row + r) * rows.to_stride + column + v * kCount;
      const int64_t some = std::clamp<int64_t>(width - v * kCount, 0, kCount);
      Vector before{};
      if (some == kCount) {
        load(before, to);
        store_some(to, before + sums[r][v], kCount);
      } else {
        load_some(before, to, some);
        store_some(to, before + sums[r][v], some);
      }
    }
}

template <int kRows, int kVectors, typename scalar_t>
RAT_ALWAYS_INLINE void add_any(const Panels<scalar_t>& b, const PanelRows<scalar_t>& rows) {
  constexpr int64_t kWidth = kVectors * Vectors<scalar_t>::kCount;
  for (int64_t column = 0; column < b.n; column += kWidth) {
    // A panel is 32 wide, whatever a block is.
    const scalar_t* panel = b.data + column / kPanel * kPanel * b.k + column % kPanel;
    const int64_t width = std::min(kWidth, b.n - column);
    int64_t row = 0;
    for (; row + kRows <= rows.count; row += kRows)
      add_block<kRows, kVectors>(panel, b.k, rows, row, column, width);
    for (; row < rows.count; ++row) add_block<1, kVectors>(panel, b.k, rows, row, column, width);
  }
}

#ifdef RAT_X86
// As many sums as there are registers for: 32 of 64 bytes, or 16 of 32 (two to a vector).
template <typename scalar_t>
RAT_TARGET_AVX512 void add_avx512(const Panels<scalar_t>& b, const PanelRows<scalar_t>& rows) {
  add_any<6, 2>(b, rows);
}
template <typename scalar_t>
RAT_TARGET_AVX2 void add_avx2(const Panels<scalar_t>& b, const PanelRows<scalar_t>& rows) {
  add_any<4, 1>(b, rows);
}
#endif

template <typename scalar_t>
void vector_add(const Panels<scalar_t>& b, const PanelRows<scalar_t>& rows) {
#ifdef RAT_X86
  if (cpu_version() == CpuVersion::kAvx512) return add_avx512(b, rows);
  if (cpu_version() == CpuVersion::kAvx2) return add_avx2(b, rows);
#endif
  plain_add(b, rows);
}

}  // namespace

template <typename scalar_t>
PanelProduct<scalar_t>::PanelProduct(const at::Tensor& matrix)
    : k_(matrix.size(0)),
      n_(matrix.size(1)),
      panels_(at::empty({(n_ + kPanel - 1) / kPanel, k_, kPanel}, matrix.options())) {
  const auto* from = matrix.const_data_ptr<scalar_t>();
  auto* to = panels_.template data_ptr<scalar_t>();
  const int64_t down = matrix.stride(0), across = matrix.stride(1);
  for (int64_t first = 0; first < n_; first += kPanel)
    for (int64_t k = 0; k < k_; ++k)
      for (int64_t j = first; j < first + kPanel; ++j)
        *to++ = j < n_ ? from[k * down + j * across] : scalar_t(0);
}

template <typename scalar_t>
void PanelProduct<scalar_t>::add(int64_t rows, const scalar_t* from, int64_t from_stride, scalar_t* to,
                                 int64_t to_stride) const {
  const Panels<scalar_t> b{panels_.template const_data_ptr<scalar_t>(), k_, n_};
  const PanelRows<scalar_t> a{rows, from, from_stride, to, to_stride};
  is_on(Saving::kVector) ? vector_add(b, a) : plain_add(b, a);
}

template class PanelProduct<float>;
template class PanelProduct<double>;

}  // namespace rat
