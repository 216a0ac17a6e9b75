// Arithmetic on several numbers at once, for code that is compiled for several kinds of processors (cpu_versions.h): the
// compiler makes of it what each of them has.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/cpu_versions.h"

namespace rat {

/// 64 bytes of numbers: one register, or as many as it takes.
template <typename scalar_t>
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

template <typename Vector, typename scalar_t>
RAT_ALWAYS_INLINE void load(Vector& to, const scalar_t* from) {
  std::memcpy(&to, from, sizeof to);
}

/// e^x for x <= 0, to a unit in the last place or two (Cephes' polynomial); 0 below -87.
RAT_ALWAYS_INLINE void exponential(typename Vectors<float>::Vector& x) {
  using Vector = Vectors<float>::Vector;
  using Bits = Vectors<float>::Bits;
  const Vectors<float>::Flags tiny = x < -87.0f;
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
  bits = bits & ~(Bits)tiny;
  std::memcpy(&x, &bits, sizeof bits);
}

RAT_ALWAYS_INLINE void exponential(typename Vectors<double>::Vector& x) {
  for (int64_t i = 0; i < Vectors<double>::kCount; ++i) x[i] = std::exp(x[i]);
}

}  // namespace rat
