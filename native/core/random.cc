#include "core/random.h"

#include <numeric>
#include <utility>

namespace rat {
namespace {

uint64_t split_mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

constexpr int kLanes = 16;

}  // namespace

PhiloxKey stream_key(uint64_t seed, Stream stream) {
  const uint64_t key = split_mix64(split_mix64(seed) ^ static_cast<uint64_t>(stream));
  return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

// Integer arithmetic only: whichever clone runs, the bits are the same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void philox_fill(uint32_t* out, int64_t blocks, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t first_c3,
                 PhiloxKey key) {
  for (int64_t begin = 0; begin < blocks; begin += kLanes) {
    uint32_t a[kLanes], b[kLanes], c[kLanes], d[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      a[i] = c0;
      b[i] = c1;
      c[i] = c2;
      d[i] = first_c3 + static_cast<uint32_t>(begin) + static_cast<uint32_t>(i);
    }
    uint32_t k0 = key.k0, k1 = key.k1;
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < kLanes; ++i) {
        const uint64_t product0 = uint64_t{0xD2511F53u} * a[i];
        const uint64_t product1 = uint64_t{0xCD9E8D57u} * c[i];
        a[i] = static_cast<uint32_t>(product1 >> 32) ^ b[i] ^ k0;
        b[i] = static_cast<uint32_t>(product1);
        c[i] = static_cast<uint32_t>(product0 >> 32) ^ d[i] ^ k1;
        d[i] = static_cast<uint32_t>(product0);
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const int64_t lanes = blocks - begin < kLanes ? blocks - begin : kLanes;
    uint32_t* row = out + 4 * begin;
    for (int64_t i = 0; i < lanes; ++i) {
      row[4 * i] = a[i];
      row[4 * i + 1] = b[i];
      row[4 * i + 2] = c[i];
      row[4 * i + 3] = d[i];
    }
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
