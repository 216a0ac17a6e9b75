// All randomness of the library: Philox 4x32-10 (Salmon et al., SC 2011), a function of (key, counter)
// without state. One definition serves CPU and CUDA, so both give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#ifdef __CUDACC__
#define RAT_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define RAT_HOST_DEVICE inline
#endif

namespace rat {

struct PhiloxKey {
  uint32_t k0;
  uint32_t k1;
};

struct PhiloxBlock {
  uint32_t v[4];
};

/// Separate streams of one seed, so that neither the method nor K shifts initialisation or data order.
enum class Stream : uint64_t { kInitialisation = 1, kDataOrder = 2, kDropout = 3, kAscent = 4 };

/// Key of a stream: two rounds of SplitMix64 over seed and stream.
PhiloxKey stream_key(uint64_t seed, Stream stream);

RAT_HOST_DEVICE PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key) {
  uint32_t k0 = key.k0, k1 = key.k1;
  uint32_t c0 = counter.v[0], c1 = counter.v[1], c2 = counter.v[2], c3 = counter.v[3];
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return PhiloxBlock{{c0, c1, c2, c3}};
}

/// Fills `out[4 * blocks]` with the blocks of counters (c0, c1, c2, first_c3 + i). Vectorised for the
/// CPU at hand.
void philox_fill(uint32_t* out, int64_t blocks, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t first_c3,
                 PhiloxKey key);

/// A permutation of 0..n-1 that depends on (seed, epoch) alone (Fisher-Yates).
std::vector<int32_t> permutation(uint64_t seed, uint32_t epoch, int32_t n);

}  // namespace rat
