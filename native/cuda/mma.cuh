// What kernels get only from PTX, each behind one function, which the simulated device replaces: products on tensor cores, their
// operands from shared memory, asynchronous copies. Compute capability 8.0 and above; elsewhere no kernel that uses them is
// launched.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

#include "cuda/launch.h"

#ifdef RAT_GPU_SIM
#include "language/async_mma.h"
#endif

namespace rat::cuda {

/// d `[16, 8]` += a `[16, 16]` b `[16, 8]`, of a warp. Lane l has, with g = l / 4 and t = l % 4:
///   d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
///   a: pairs of columns: (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)
///   b: pairs of rows: (2t, g), (2t + 8, g)
__device__ inline void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#ifdef RAT_GPU_SIM
  cuda_on_cpu::mma_m16n8k16(d, a, {b0, b1});
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/// Four matrices of 8 x 8 from shared memory. Lane l names row l % 8 of matrix l / 8; it gets elements (g, 2t) and (g, 2t + 1) of
/// each.
__device__ inline void load_matrices(uint32_t (&to)[4], const c10::BFloat16* row) {
#ifdef RAT_GPU_SIM
  cuda_on_cpu::load_matrices(to, row, /*transposed=*/false);
#elif __CUDA_ARCH__ >= 800
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

/// The same, transposed: elements (2t, g) and (2t + 1, g).
__device__ inline void load_matrices_transposed(uint32_t (&to)[4], const c10::BFloat16* row) {
#ifdef RAT_GPU_SIM
  cuda_on_cpu::load_matrices(to, row, /*transposed=*/true);
#elif __CUDA_ARCH__ >= 800
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
#endif
}

/// 16 bytes from global to shared memory, there once the calling thread has waited.
__device__ inline void copy_async(void* to, const void* from) {
#ifdef RAT_GPU_SIM
  cuda_on_cpu::cp_async(to, from, 16);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(
                   static_cast<uint32_t>(__cvta_generic_to_shared(to))),
               "l"(from)
               : "memory");
#endif
}

/// For all copies of the calling thread; the block's other threads see them after a barrier.
__device__ inline void wait_for_copies() {
#ifdef RAT_GPU_SIM
  cuda_on_cpu::cp_async_commit();
  cuda_on_cpu::cp_async_wait(0);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;\n" ::: "memory");
#endif
}

/// Two numbers as bf16, the first in the low half.
__device__ inline uint32_t pair(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(both) : "f"(high), "f"(low));
  return both;
#else
  return c10::BFloat16(low).x | static_cast<uint32_t>(c10::BFloat16(high).x) << 16;
#endif
}

}  // namespace rat::cuda
