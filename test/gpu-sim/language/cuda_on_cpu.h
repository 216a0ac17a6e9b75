// CUDA's kernel language for g++: a block's threads are fibers of one system thread, run one after the other
// until each waits at a barrier. Included before a .cu file that is compiled as C++; RAT_LAUNCH and
// RAT_SHARED of cuda/launch.h are defined here instead.
//   ASan   sees every access to global and shared memory (both have red zones)
//   TSan   takes each thread of a block for a thread of its own, ordered by barriers alone; blocks run one after
//          the other for it
//   CUDA_ON_CPU_ORDER=reverse|shuffle   another order of threads and blocks: the results must not change by a bit
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#include "device/gpu_sim.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
/// Shared memory: fresh for each block, filled with 0xFF (a NaN), with red zones.
#define RAT_SHARED(type, name, count) \
  static char name##_site;            \
  type* const name = static_cast<type*>(cuda_on_cpu::block_shared(&name##_site, sizeof(type) * (count)))

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;
using cudaStream_t = void*;

namespace cuda_on_cpu {

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread);
void* block_shared(const void* site, size_t bytes);
void barrier(const std::source_location& where);
/// All lanes of `mask` bring 8 bytes, and get everyone's: what every warp primitive is made of.
void warp_exchange(unsigned mask, uint64_t mine, uint64_t (&all)[32], const std::source_location& where);
unsigned lane();

template <typename P>
P on_device(P value) {
  if constexpr (std::is_pointer_v<P>) {
    if (value != nullptr) gpu_sim::require_current_device(value);
    gpu_sim::note_use(value);
    return gpu_sim::alias(value);
  } else {
    static_assert(std::is_trivially_copyable_v<P>, "a kernel's parameters are copied byte by byte");
    if constexpr (requires { value.for_each_pointer([](auto&) {}); })
      value.for_each_pointer([](auto& pointer) { pointer = on_device(pointer); });
    return value;
  }
}

template <typename... P, typename... A>
void launch(void (*kernel)(P...), const char* name, dim3 grid, dim3 block, A... arguments) {
  gpu_sim::count(gpu_sim::Event::kLaunch, name);
  if (block.x * block.y * block.z > 1024 || grid.x == 0 || grid.y > 65535 || grid.z > 65535) {
    std::fprintf(stderr, "cuda_on_cpu: %s: invalid configuration\n", name);
    std::abort();
  }
  const std::tuple<P...> there{on_device<P>(static_cast<P>(arguments))...};
  const auto run = [=] { run_grid(grid, block, [&] { std::apply(kernel, there); }); };
  if (gpu_sim::Graph* graph = gpu_sim::recording()) graph->launches.emplace_back(run);
  run();
}

template <typename T>
T exchange(unsigned mask, T mine, unsigned from, const std::source_location& where) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0, all[32];
  std::memcpy(&bits, &mine, sizeof(T));
  warp_exchange(mask, bits, all, where);
  T result;
  std::memcpy(&result, &all[from & 31], sizeof(T));
  return result;
}

}  // namespace cuda_on_cpu

using cuda_on_cpu_where = std::source_location;
inline void __syncthreads(const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  cuda_on_cpu::barrier(w);
}
inline void __syncwarp(unsigned mask = ~0u, const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  cuda_on_cpu::exchange(mask, 0, 0, w);
}
template <typename T>
T __shfl_sync(unsigned mask, T v, int lane, int = 32,
              const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  return cuda_on_cpu::exchange(mask, v, static_cast<unsigned>(lane), w);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int = 32,
                  const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  return cuda_on_cpu::exchange(mask, v, cuda_on_cpu::lane() ^ static_cast<unsigned>(bits), w);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int = 32,
                   const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  const unsigned from = cuda_on_cpu::lane() + by;
  return cuda_on_cpu::exchange(mask, v, from < 32 ? from : cuda_on_cpu::lane(), w);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const cuda_on_cpu_where& w = cuda_on_cpu_where::current()) {
  uint64_t all[32];
  cuda_on_cpu::warp_exchange(mask, predicate != 0, all, w);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) votes |= (mask >> i & 1 && all[i] != 0 ? 1u : 0u) << i;
  return votes;
}
template <typename T>
T atomicAdd(T* p, T value) {  // fibers change at barriers alone; the builtin tells TSan that it is atomic
  if constexpr (std::is_integral_v<T>) {
    return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
  } else {
    T old;
    __atomic_load(p, &old, __ATOMIC_RELAXED);
    T next = old + value;
    __atomic_store(p, &next, __ATOMIC_RELAXED);
    return old;
  }
}

#define RAT_LAUNCH(kernel, blocks, threads, ...) \
  cuda_on_cpu::launch(kernel, #kernel, blocks, threads, __VA_ARGS__)
