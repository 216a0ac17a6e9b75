// cp.async. Compiled without -fsanitize=thread, whose attention is called to the bytes by hand: the
// book-keeping is the emulation's own.
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "language/async_mma.h"

#if defined(CUDA_ON_CPU_TSAN)
extern "C" {
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
}
#endif

namespace cuda_on_cpu {
namespace {

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

struct Copies {
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
};

Copies& copies() {
  static thread_local std::map<unsigned, Copies> of_thread;
  return of_thread[threadIdx.x + threadIdx.y * blockDim.x + threadIdx.z * blockDim.x * blockDim.y];
}

void arrive(const Copy& copy) {
#if defined(CUDA_ON_CPU_TSAN)
  __tsan_read_range(const_cast<void*>(copy.from), copy.bytes);
  __tsan_write_range(copy.to, copy.bytes);
#endif
  std::memcpy(copy.to, copy.from, copy.bytes);
}

}  // namespace

void cp_async(void* to, const void* from, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes) {
    std::fprintf(stderr, "cuda_on_cpu: cp.async of %zu bytes is misaligned\n", bytes);
    std::abort();
  }
  copies().open.push_back({to, from, bytes});
}

void cp_async_commit() {
  copies().groups.push_back(std::move(copies().open));
  copies().open.clear();
}

void cp_async_wait(size_t pending) {
  for (auto& groups = copies().groups; groups.size() > pending; groups.pop_front())
    for (const Copy& copy : groups.front()) arrive(copy);
}

}  // namespace cuda_on_cpu
