#include "core/panel_product_bf16.h"

#include "core/check.h"
#include "core/panels.h"

#ifdef RAT_X86
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace rat {

#ifdef RAT_X86
namespace {

using panels::Code;
using panels::kMostRows;
using panels::kPanel;
using panels::Matrix;
using panels::Rows;

#define RAT_TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))

/// Two numbers of bf16 that follow each other in a sum, the first in the low half.
using Pair = uint32_t;
using Bits = uint16_t;

RAT_ALWAYS_INLINE Bits bits_at(const c10::BFloat16* number) {
  Bits bits;
  std::memcpy(&bits, number, sizeof bits);
  return bits;
}
RAT_ALWAYS_INLINE Pair pair_of(Bits first, Bits second) { return first | Pair{second} << 16; }

/// The pair `k` of column `j`, or of row `j` of a transposed matrix; the second number of the last may be missing.
RAT_ALWAYS_INLINE Pair pair_at(const c10::BFloat16* data, int64_t along, int64_t k, int64_t numbers) {
  const Bits second = 2 * k + 1 < numbers ? bits_at(data + (2 * k + 1) * along) : Bits{0};
  return pair_of(bits_at(data + 2 * k * along), second);
}

/// to[i] = (low[i], high[i])
template <int64_t kCount>
RAT_ALWAYS_INLINE void join(const c10::BFloat16* low, const c10::BFloat16* high, Pair* to) {
  Bits first[kCount], second[kCount];
  std::memcpy(first, low, sizeof first);
  std::memcpy(second, high, sizeof second);
  for (int64_t i = 0; i < kCount; ++i) to[i] = pair_of(first[i], second[i]);
}

template <typename result_t>
struct Pairs {
  using Source = c10::BFloat16;
  using Element = Pair;
  using Sum = float;
  using Result = result_t;
  static constexpr int64_t kNumbers = 2;

  static const Code<Pairs>& code();

  /// As they stand, where a row has whole pairs; else side by side.
  RAT_TARGET_BF16 static Matrix<Pair> rows_of(const Matrix<c10::BFloat16>& from, int64_t count,
                                              int64_t numbers, Pair* to) {
    if (from.across == 1 && from.down % 2 == 0 && numbers % 2 == 0 &&
        reinterpret_cast<uintptr_t>(from.data) % sizeof(Pair) == 0)
      return {reinterpret_cast<const Pair*>(from.data), from.down / 2, 1};
    const int64_t whole = numbers / 2;
    if (from.down == 1) {
      for (int64_t k = 0; k < whole; ++k) {
        const c10::BFloat16 *low = from.data + 2 * k * from.across, *high = low + from.across;
        if (count == kMostRows)
          join<kMostRows>(low, high, to + k * kMostRows);
        else
          for (int64_t row = 0; row < count; ++row) join<1>(low + row, high + row, to + k * count + row);
      }
      for (int64_t row = 0; whole * 2 < numbers && row < count; ++row)
        to[whole * count + row] = pair_at(from.data + row, from.across, whole, numbers);
    } else {
      for (int64_t k = 0; 2 * k < numbers; ++k)
        for (int64_t row = 0; row < count; ++row)
          to[k * count + row] = pair_at(from.data + row * from.down, from.across, k, numbers);
    }
    return {to, 1, count};
  }
};

RAT_TARGET_BF16 void pack_pairs(const Matrix<c10::BFloat16>& matrix, int64_t numbers, int64_t width,
                                Pair* to) {
  const int64_t depth = (numbers + 1) / 2, rest = width % kPanel, whole = width - rest;
#ifdef RAT_HAS_SHUFFLE
  if (matrix.down == 1 && numbers % 2 == 0 && panels::has_whole_tiles(depth, width))
    return panels::pack_tiles(matrix.data, matrix.across, depth, width, reinterpret_cast<float*>(to));
#endif
  if (rest > 0) std::fill_n(to + whole * depth, depth * kPanel, Pair{0});
  for (int64_t k = 0; k < depth; ++k) {
    int64_t first = 0;
    if (matrix.across == 1 && 2 * k + 1 < numbers)
      for (; first < whole; first += kPanel) {
        const c10::BFloat16* low = matrix.data + 2 * k * matrix.down + first;
        join<kPanel>(low, low + matrix.down, to + first * depth + k * kPanel);
      }
    for (; first < width; ++first)
      to[first / kPanel * kPanel * depth + k * kPanel + first % kPanel] =
          pair_at(matrix.data + first * matrix.across, matrix.down, k, numbers);
  }
}

RAT_TARGET_BF16 inline __attribute__((always_inline)) void store_sums(float* to, __m512 sums, int64_t count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), sums);
}
/// Rounded to the nearest, ties to even.
RAT_TARGET_BF16 inline __attribute__((always_inline)) void store_sums(c10::BFloat16* to, __m512 sums,
                                                                      int64_t count) {
  const __m256bh rounded = _mm512_cvtneps_pbh(sums);
  __m256i bits;
  std::memcpy(&bits, &rounded, sizeof bits);
  _mm256_mask_storeu_epi16(to, static_cast<__mmask16>((1u << count) - 1), bits);
}

/// The first `kRows` rows of a panel, whose sums stay in registers.
template <int kRows, typename result_t>
RAT_TARGET_BF16 inline __attribute__((always_inline)) void block_of_pairs(const Rows<Pairs<result_t>>& rows) {
  constexpr int64_t kCount = 16, kVectors = kPanel / kCount;
  __m512 sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_setzero_ps();
  const int64_t down = rows.from.down, across = rows.from.across;
  for (int64_t k = 0; k < rows.depth; ++k) {
    __m512bh b[kVectors];
    for (int v = 0; v < kVectors; ++v) std::memcpy(&b[v], rows.panel + k * kPanel + v * kCount, sizeof b[v]);
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      std::memcpy(&pair, rows.from.data + r * down + k * across, sizeof pair);
      const __m512i pairs = _mm512_set1_epi32(pair);
      __m512bh a;
      std::memcpy(&a, &pairs, sizeof a);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], a, b[v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      const int64_t first = v * kCount, count = std::clamp<int64_t>(rows.width - first, 0, kCount);
      const auto some = static_cast<__mmask16>((1u << count) - 1);
      if (rows.before)
        sums[r][v] = _mm512_add_ps(_mm512_maskz_loadu_ps(some, rows.before + r * rows.before_stride + first),
                                   sums[r][v]);
      store_sums(rows.to + r * rows.to_stride + first, sums[r][v], count);
    }
}

template <int kRows, typename result_t>
RAT_TARGET_BF16 inline __attribute__((always_inline)) void rows_of_pairs(const Rows<Pairs<result_t>>& rows) {
  if (rows.count == kRows)
    block_of_pairs<kRows>(rows);
  else if constexpr (kRows > 1)
    rows_of_pairs<kRows - 1>(rows);
}

template <typename result_t>
RAT_TARGET_BF16 void take_pairs(const Rows<Pairs<result_t>>& rows) {
  rows_of_pairs<kMostRows>(rows);
}

template <typename result_t>
const Code<Pairs<result_t>>& Pairs<result_t>::code() {
  static const Code<Pairs> only{kMostRows, take_pairs<result_t>, pack_pairs};
  return only;
}

template <typename result_t>
at::Tensor multiply_pairs(const at::Tensor& x, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias) {
  at::Tensor result =
      at::empty({x.size(0), weight.size(0)}, x.options().dtype(c10::CppTypeToScalarType<result_t>::value));
  panels::take<Pairs<result_t>>(result, x, weight,
                                {bias ? bias->to(at::kFloat).contiguous() : at::Tensor(), false});
  return result;
}

}  // namespace

bool has_bf16_panels() {
  static const bool has = [] {
    if (cpu_version() != CpuVersion::kAvx512) return false;
    constexpr unsigned kAmxBf16 = 1u << 22, kAvx512Bf16 = 1u << 5;  // of leaf 7: EDX, and EAX of subleaf 1
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & kAmxBf16) != 0) return false;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & kAvx512Bf16) != 0;
  }();
  return has;
}

at::Tensor bf16_panel_product(const at::Tensor& x, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, at::ScalarType result) {
  // What a long sum has come to cannot wait in bf16.
  const bool is_long = x.size(1) > panels::kDepth * Pairs<float>::kNumbers;
  if (result == at::kBFloat16 && !is_long) return multiply_pairs<c10::BFloat16>(x, weight, bias);
  return multiply_pairs<float>(x, weight, bias).to(result);
}

void add_bf16_panel_product(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight) {
  panels::take<Pairs<float>>(sum, x, weight, {{}, true});
}

#else

bool has_bf16_panels() { return false; }

at::Tensor bf16_panel_product(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                              at::ScalarType) {
  fail("ERR_RAT_INTERNAL", "there are no products of bf16 for this processor");
}
void add_bf16_panel_product(const at::Tensor&, const at::Tensor&, const at::Tensor&) {
  fail("ERR_RAT_INTERNAL", "there are no products of bf16 for this processor");
}

#endif

}  // namespace rat
