// Arithmetic on several numbers at once, for code that is compiled for several kinds of processors (cpu_versions.h): the
// compiler makes of it what each of them has.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/cpu_versions.h"

namespace rat {

/// 64 bytes of numbers: one register, or as many as it takes. What has to stay in registers wants those of the processor:
/// of two to a vector GCC keeps arrays in memory.
template <typename scalar_t, int kBytes = 64>
struct Vectors;
template <>
struct Vectors<float> {
  typedef float Vector __attribute__((vector_size(64)));
  typedef int32_t Flags __attribute__((vector_size(64)));  // all bits, or none, of each number
  typedef uint32_t Bits __attribute__((vector_size(64)));
  static constexpr int64_t kCount = 16;
};
template <>
struct Vectors<double> {
  typedef double Vector __attribute__((vector_size(64)));
  static constexpr int64_t kCount = 8;
};

template <>
struct Vectors<float, 32> {
  typedef float Vector __attribute__((vector_size(32)));
  static constexpr int64_t kCount = 8;
};
template <>
struct Vectors<double, 32> {
  typedef double Vector __attribute__((vector_size(32)));
  static constexpr int64_t kCount = 4;
};

template <typename Vector, typename scalar_t>
RAT_ALWAYS_INLINE void load(Vector& to, const scalar_t* from) {
  std::memcpy(&to, from, sizeof to);
}

/// The first `count` of a register's numbers.
template <typename Vector, typename scalar_t>
RAT_ALWAYS_INLINE void load_some(Vector& to, const scalar_t* from, int64_t count) {
  std::memcpy(&to, from, static_cast<size_t>(count) * sizeof(scalar_t));
}
template <typename Vector, typename scalar_t>
RAT_ALWAYS_INLINE void store_some(scalar_t* to, const Vector& from, int64_t count) {
  std::memcpy(to, &from, static_cast<size_t>(count) * sizeof(scalar_t));
}

#if __has_builtin(__builtin_shufflevector)
#define RAT_HAS_SHUFFLE 1
/// Exchanges, of each pair of columns that are `kApart` apart, the right one of `a` and the left one of `b`.
template <int kApart, int... kColumn>
RAT_ALWAYS_INLINE void exchange(Vectors<float>::Vector& a, Vectors<float>::Vector& b,
                                std::integer_sequence<int, kColumn...>) {
  const Vectors<float>::Vector before = a;
  a = __builtin_shufflevector(before, b, (kColumn & kApart ? 16 + (kColumn ^ kApart) : kColumn)...);
  b = __builtin_shufflevector(before, b, (kColumn & kApart ? 16 + kColumn : kColumn ^ kApart)...);
}
template <int kApart>
RAT_ALWAYS_INLINE void exchange_all(Vectors<float>::Vector (&rows)[16]) {
  for (int i = 0; i < 16; ++i)
    if (!(i & kApart)) exchange<kApart>(rows[i], rows[i + kApart], std::make_integer_sequence<int, 16>());
}

/// Makes columns of rows.
RAT_ALWAYS_INLINE void transpose(Vectors<float>::Vector (&rows)[16]) {
  exchange_all<8>(rows);
  exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}
#endif

/// Of a register's numbers, in one order whatever the processor.
template <typename Vector>
RAT_ALWAYS_INLINE auto sum_of(const Vector& x) {
  constexpr size_t kCount = sizeof(Vector) / sizeof(x[0]);
  std::remove_cvref_t<decltype(x[0])> parts[kCount];
  std::memcpy(parts, &x, sizeof parts);
  for (size_t half = kCount / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) parts[i] += parts[i + half];
  return parts[0];
}

/// Calls `apply(first, count)` for one register's numbers after the other; only the last may have fewer than all.
template <typename scalar_t, typename Apply>
RAT_ALWAYS_INLINE void for_each_vector(int64_t width, Apply apply) {
  constexpr int64_t kCount = Vectors<scalar_t>::kCount;
  int64_t i = 0;
  for (; i + kCount <= width; i += kCount) apply(i, kCount);
  if (i < width) apply(i, width - i);
}

/// All bits of each number where a < b, else none; a and b from 0 on, and less than 2^31. In functions that are compiled for
/// several processors GCC takes a comparison of vectors apart, number by number, and arithmetic on whole numbers not.
RAT_ALWAYS_INLINE void less(Vectors<float>::Flags& to, const Vectors<float>::Flags& a,
                            const Vectors<float>::Flags& b) {
  to = (a - b) >> 31;
}

/// The bits of |x|: they rise with it, to infinity's and then those of what is no number.
RAT_ALWAYS_INLINE void magnitude(Vectors<float>::Flags& to, const Vectors<float>::Vector& x) {
  std::memcpy(&to, &x, sizeof to);
  to = to & 0x7FFFFFFF;
}

/// e^x for x <= 0, to a unit in the last place or two (Cephes' polynomial); 0 below -87.
RAT_ALWAYS_INLINE void exponential(typename Vectors<float>::Vector& x) {
  using Vector = Vectors<float>::Vector;
  using Flags = Vectors<float>::Flags;
  using Bits = Vectors<float>::Bits;
  Flags size, is_tiny, is_number;
  magnitude(size, x);
  less(is_tiny, Flags{} + std::bit_cast<int32_t>(87.0f), size);
  less(is_number, size, Flags{} + (std::bit_cast<int32_t>(INFINITY) + 1));
  const Vector magic = Vector{} + 12582912.0f;  // 1.5 * 2^23: the sum's low bits are the rounded number
  const Vector shifted = x * 1.44269504088896341f + magic;
  const Vector n = shifted - magic;
  Vector r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vector p = Vector{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  const Bits power = (bits + (127u - 0x4B400000u)) << 23;
  Vector two_to_n;
  std::memcpy(&two_to_n, &power, sizeof power);
  p = p * two_to_n;
  std::memcpy(&bits, &p, sizeof p);
  bits = bits & ~(Bits)(is_tiny & is_number);
  std::memcpy(&x, &bits, sizeof bits);
}

RAT_ALWAYS_INLINE void exponential(typename Vectors<double>::Vector& x) {
  for (int64_t i = 0; i < Vectors<double>::kCount; ++i) x[i] = std::exp(x[i]);
}

}  // namespace rat
