// What kernels get only from inline PTX, for g++: each stands in one wrapper function of ours, whose body
// is PTX under
// __CUDA_ARCH__ and this otherwise.
#pragma once
#include <bit>

#include "language/cuda_on_cpu.h"

namespace cuda_on_cpu {

inline float bf16(uint32_t pair, int which) {
  return std::bit_cast<float>((which ? pair >> 16 : pair & 0xFFFF) << 16);
}

/// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32, fragments laid out as PTX says. Sums in the
/// order of k.
inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                         const std::source_location& where = std::source_location::current()) {
  uint64_t a01[32], a23[32], b01[32];
  warp_exchange(~0u, a[0] | uint64_t{a[1]} << 32, a01, where);
  warp_exchange(~0u, a[2] | uint64_t{a[3]} << 32, a23, where);
  warp_exchange(~0u, b[0] | uint64_t{b[1]} << 32, b01, where);
  const unsigned group = lane() / 4, inside = lane() % 4;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = group + (i >= 2 ? 8 : 0), column = inside * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned owner = k % 8 / 2;
      const uint64_t pa = (k < 8 ? a01 : a23)[row % 8 * 4 + owner];
      const uint64_t pb = b01[column * 4 + owner];
      d[i] += bf16(static_cast<uint32_t>(row < 8 ? pa : pa >> 32), k % 2) *
              bf16(static_cast<uint32_t>(k < 8 ? pb : pb >> 32), k % 2);
    }
  }
}

/// ldmatrix.x4: lane l names row l % 8 of matrix l / 8, eight numbers of 16 bits.
template <typename element_t>
void load_matrices(uint32_t (&to)[4], const element_t* row, bool transposed,
                   const std::source_location& where = std::source_location::current()) {
  static_assert(sizeof(element_t) == 2);
  uint64_t rows[32];
  warp_exchange(~0u, reinterpret_cast<uint64_t>(row), rows, where);
  if (reinterpret_cast<uintptr_t>(row) % 16) {
    std::fprintf(stderr, "cuda_on_cpu: a row of ldmatrix is misaligned\n");
    std::abort();
  }
  const unsigned group = lane() / 4, inside = lane() % 4 * 2;
  for (unsigned matrix = 0; matrix < 4; ++matrix) {
    const auto at = [&](unsigned i, unsigned j) {
      return std::bit_cast<uint16_t>(reinterpret_cast<const element_t*>(rows[matrix * 8 + i])[j]);
    };
    to[matrix] = transposed ? at(inside, group) | uint32_t{at(inside + 1, group)} << 16
                            : at(group, inside) | uint32_t{at(group, inside + 1)} << 16;
  }
}

/// cp.async: nothing arrives before its group is waited for, so that a forgotten wait reads NaN.
void cp_async(void* to, const void* from, size_t bytes);
void cp_async_commit();
/// Waits until at most `pending` groups of the calling thread are open.
void cp_async_wait(size_t pending);

}  // namespace cuda_on_cpu
