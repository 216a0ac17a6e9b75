#include "core/random.h"

#include <numeric>
#include <utility>

#include "core/cpu_versions.h"
#ifdef RAT_X86
#include <immintrin.h>
#endif

namespace rat {
namespace {

uint64_t split_mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

#ifdef RAT_X86
// As many blocks at once as a register has 32-bit lanes. A round needs the whole products of 32-bit numbers: there is an
// instruction for the even lanes, so the odd ones are moved there. Whole registers of blocks; returns how many were made.

RAT_TARGET_AVX512 int64_t fill_avx512(uint32_t* out, int64_t blocks, uint32_t c0, uint32_t c1, uint32_t c2,
                                      uint32_t first_c3, PhiloxKey key) {
  constexpr int64_t kLanes = 16;
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i m0 = _mm512_set1_epi32(static_cast<int>(0xD2511F53u));
  const __m512i m1 = _mm512_set1_epi32(static_cast<int>(0xCD9E8D57u));
  constexpr __mmask16 kOdd = 0xAAAA;
  int64_t begin = 0;
  for (; begin + kLanes <= blocks; begin += kLanes) {
    __m512i a = _mm512_set1_epi32(static_cast<int>(c0)), b = _mm512_set1_epi32(static_cast<int>(c1));
    __m512i c = _mm512_set1_epi32(static_cast<int>(c2));
    __m512i d =
        _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first_c3 + static_cast<uint32_t>(begin))), lanes);
    uint32_t k0 = key.k0, k1 = key.k1;
    for (int round = 0; round < 10; ++round) {
      const __m512i even0 = _mm512_mul_epu32(a, m0), odd0 = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m0);
      const __m512i even1 = _mm512_mul_epu32(c, m1), odd1 = _mm512_mul_epu32(_mm512_srli_epi64(c, 32), m1);
      const __m512i high0 = _mm512_mask_blend_epi32(kOdd, _mm512_srli_epi64(even0, 32), odd0);
      const __m512i low0 = _mm512_mask_blend_epi32(kOdd, even0, _mm512_slli_epi64(odd0, 32));
      const __m512i high1 = _mm512_mask_blend_epi32(kOdd, _mm512_srli_epi64(even1, 32), odd1);
      const __m512i low1 = _mm512_mask_blend_epi32(kOdd, even1, _mm512_slli_epi64(odd1, 32));
      a = _mm512_xor_si512(_mm512_xor_si512(high1, b), _mm512_set1_epi32(static_cast<int>(k0)));
      c = _mm512_xor_si512(_mm512_xor_si512(high0, d), _mm512_set1_epi32(static_cast<int>(k1)));
      b = low1;
      d = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    // Block 4 i + j lies in lane i of the j-th of these.
    const __m512i ab = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    const __m512i rows[4] = {_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd),
                             _mm512_unpacklo_epi64(ab_high, cd_high),
                             _mm512_unpackhi_epi64(ab_high, cd_high)};
    auto* to = reinterpret_cast<__m128i*>(out + 4 * begin);
    for (int j = 0; j < 4; ++j) {
      _mm_storeu_si128(to + j, _mm512_extracti32x4_epi32(rows[j], 0));
      _mm_storeu_si128(to + 4 + j, _mm512_extracti32x4_epi32(rows[j], 1));
      _mm_storeu_si128(to + 8 + j, _mm512_extracti32x4_epi32(rows[j], 2));
      _mm_storeu_si128(to + 12 + j, _mm512_extracti32x4_epi32(rows[j], 3));
    }
  }
  return begin;
}

RAT_TARGET_AVX2 int64_t fill_avx2(uint32_t* out, int64_t blocks, uint32_t c0, uint32_t c1, uint32_t c2,
                                  uint32_t first_c3, PhiloxKey key) {
  constexpr int64_t kLanes = 8;
  const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
  const __m256i m0 = _mm256_set1_epi32(static_cast<int>(0xD2511F53u));
  const __m256i m1 = _mm256_set1_epi32(static_cast<int>(0xCD9E8D57u));
  constexpr int kOdd = 0xAA;
  int64_t begin = 0;
  for (; begin + kLanes <= blocks; begin += kLanes) {
    __m256i a = _mm256_set1_epi32(static_cast<int>(c0)), b = _mm256_set1_epi32(static_cast<int>(c1));
    __m256i c = _mm256_set1_epi32(static_cast<int>(c2));
    __m256i d =
        _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first_c3 + static_cast<uint32_t>(begin))), lanes);
    uint32_t k0 = key.k0, k1 = key.k1;
    for (int round = 0; round < 10; ++round) {
      const __m256i even0 = _mm256_mul_epu32(a, m0), odd0 = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m0);
      const __m256i even1 = _mm256_mul_epu32(c, m1), odd1 = _mm256_mul_epu32(_mm256_srli_epi64(c, 32), m1);
      const __m256i high0 = _mm256_blend_epi32(_mm256_srli_epi64(even0, 32), odd0, kOdd);
      const __m256i low0 = _mm256_blend_epi32(even0, _mm256_slli_epi64(odd0, 32), kOdd);
      const __m256i high1 = _mm256_blend_epi32(_mm256_srli_epi64(even1, 32), odd1, kOdd);
      const __m256i low1 = _mm256_blend_epi32(even1, _mm256_slli_epi64(odd1, 32), kOdd);
      a = _mm256_xor_si256(_mm256_xor_si256(high1, b), _mm256_set1_epi32(static_cast<int>(k0)));
      c = _mm256_xor_si256(_mm256_xor_si256(high0, d), _mm256_set1_epi32(static_cast<int>(k1)));
      b = low1;
      d = low0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const __m256i ab = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    const __m256i cd = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    const __m256i rows[4] = {_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd),
                             _mm256_unpacklo_epi64(ab_high, cd_high),
                             _mm256_unpackhi_epi64(ab_high, cd_high)};
    auto* to = reinterpret_cast<__m128i*>(out + 4 * begin);
    for (int j = 0; j < 4; ++j) {
      _mm_storeu_si128(to + j, _mm256_extracti128_si256(rows[j], 0));
      _mm_storeu_si128(to + 4 + j, _mm256_extracti128_si256(rows[j], 1));
    }
  }
  return begin;
}
#endif

}  // namespace

PhiloxKey stream_key(uint64_t seed, Stream stream) {
  const uint64_t key = split_mix64(split_mix64(seed) ^ static_cast<uint64_t>(stream));
  return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

void philox_fill(uint32_t* out, int64_t blocks, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t first_c3,
                 PhiloxKey key) {
  int64_t done = 0;
#ifdef RAT_X86
  switch (cpu_version()) {
    case CpuVersion::kAvx512:
      done = fill_avx512(out, blocks, c0, c1, c2, first_c3, key);
      break;
    case CpuVersion::kAvx2:
      done = fill_avx2(out, blocks, c0, c1, c2, first_c3, key);
      break;
    case CpuVersion::kPlain:
      break;
  }
#endif
  for (; done < blocks; ++done) {
    const PhiloxBlock block = philox4x32_10({{c0, c1, c2, first_c3 + static_cast<uint32_t>(done)}}, key);
    for (size_t i = 0; i < 4; ++i) out[4 * done + static_cast<int64_t>(i)] = block.v[i];
  }
}

std::vector<int32_t> permutation(uint64_t seed, uint32_t epoch, int32_t n) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const PhiloxKey key = stream_key(seed, Stream::kDataOrder);
  for (int32_t i = n - 1; i > 0; --i) {
    const PhiloxBlock block = philox4x32_10({{static_cast<uint32_t>(i), epoch, 0, 0}}, key);
    const uint64_t bits = (uint64_t{block.v[0]} << 32) | block.v[1];
    // The high word of bits * (i + 1) is uniform on 0..i up to a bias of 2^-33 at most.
    const auto j =
        static_cast<size_t>((static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(i + 1)) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[j]);
  }
  return order;
}

}  // namespace rat
