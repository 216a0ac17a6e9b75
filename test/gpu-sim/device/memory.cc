// The simulated GPU's memory and its log.
#include <execinfo.h>
#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "device/gpu_sim.h"
#include "device/graph.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace gpu_sim {
namespace {

constexpr size_t kPerDevice = size_t{1} << 36;  // of addresses; memory is used only where something is stored
constexpr size_t kAlign = 512;                  // as LibTorch's caching allocator
constexpr size_t kRedZone = 512;
constexpr unsigned char kFresh = 0xFF,
                        kFence = 0xA5;  // 0xFF: NaN in every floating type, -1 in every integer

struct Arena {
  char* base = nullptr;
  ptrdiff_t offset = 0;
  std::mutex mutex;
  std::array<size_t, kDevices> top{}, in_use{}, peak{}, limit{};
  using FreeBlocks = std::map<size_t, std::vector<char*>>;
  std::map<int64_t, FreeBlocks> free_blocks[kDevices];  // by pool
  struct Block {
    size_t bytes, reserved;
    int64_t pool, stream;
  };
  std::unordered_map<const void*, Block> live;

  Arena() {
    const size_t all = kPerDevice * kDevices;
    void* without_access = mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void* stored =
        mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (without_access == MAP_FAILED || stored == MAP_FAILED) {
      std::perror("gpu_sim: mmap");
      std::abort();
    }
    base = static_cast<char*>(without_access);
    offset = static_cast<char*>(stored) - base;
    limit.fill(kPerDevice);
  }
};
Arena& arena() {
  static Arena* const one = new Arena;  // never destroyed: tensors of static storage may outlive everything
  return *one;
}

}  // namespace

ptrdiff_t offset() { return arena().offset; }

bool is_device(const void* p) {
  const auto* at = static_cast<const char*>(p);
  return at >= arena().base && at < arena().base + kPerDevice * kDevices;
}

int device_of(const void* p) {
  return static_cast<int>((static_cast<const char*>(p) - arena().base) / kPerDevice);
}

void* allocate(size_t bytes, int device) {
  if (bytes == 0) return nullptr;
  Arena& a = arena();
  const std::lock_guard lock(a.mutex);
  const size_t reserved = (bytes + kAlign - 1) / kAlign * kAlign;
  if (a.in_use[device] + reserved > a.limit[device]) return nullptr;
  char* at;
  const int64_t pool = current_pool();
  auto& of_size = a.free_blocks[device][pool][reserved];
  if (!of_size.empty()) {
    at = of_size.back();
    of_size.pop_back();
  } else {
    at = a.base + static_cast<size_t>(device) * kPerDevice + a.top[device] + kRedZone;
    a.top[device] += reserved + 2 * kRedZone;
    if (a.top[device] > kPerDevice) std::abort();
#ifndef __SANITIZE_ADDRESS__
    std::memset(alias(at) - kRedZone, kFence, kRedZone);
#endif
  }
  a.live[at] = {bytes, reserved, pool, current_stream(device)};
  a.in_use[device] += reserved;
  a.peak[device] = std::max(a.peak[device], a.in_use[device]);
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(alias(at) - kRedZone, reserved + 2 * kRedZone);
  __asan_unpoison_memory_region(alias(at), bytes);
#else
  std::memset(alias(at) + bytes, kFence, reserved - bytes + kRedZone);
#endif
  std::memset(alias(at), kFresh, bytes);
  return at;
}

void release(void* p) {
  if (p == nullptr) return;
  Arena& a = arena();
  const std::lock_guard lock(a.mutex);
  const auto found = a.live.find(p);
  if (found == a.live.end()) {
    std::fprintf(stderr, "gpu_sim: %p is freed, but is no block\n", p);
    std::abort();
  }
  const auto [bytes, reserved, pool, stream] = found->second;
  a.live.erase(found);
  note_release(p, bytes, stream);
  auto* at = static_cast<char*>(p);
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(alias(at), reserved);
#else
  const unsigned char* stored = reinterpret_cast<unsigned char*>(alias(at));
  // In a pool, replayed launches write what other blocks had there.
  for (size_t i = pool == 0 ? bytes : reserved; i < reserved + kRedZone; ++i)
    if (stored[i] != kFence) {
      std::fprintf(stderr, "gpu_sim: something wrote %zu bytes beyond a block of %zu bytes\n", i - bytes,
                   bytes);
      std::abort();
    }
  std::memset(alias(at), kFresh, bytes);
#endif
  const int device = device_of(p);
  a.in_use[device] -= reserved;
  a.free_blocks[device][pool][reserved].push_back(at);
}

void for_each_block(int device, int64_t stream, const std::function<void(void*, size_t)>& f) {
  const std::lock_guard lock(arena().mutex);
  for (const auto& [at, block] : arena().live)
    if (device_of(at) == device && block.stream == stream && block.pool == 0)
      f(const_cast<void*>(at), block.bytes);
}

void require_current_device(const void* p) {
  if (is_device(p) && device_of(p) == current_device()) return;
  std::fprintf(stderr, "gpu_sim: a kernel on device %d was given a pointer of %s\n", current_device(),
               is_device(p) ? "another device" : "the host");
  std::abort();
}

namespace {

struct Pinned {
  std::mutex mutex;
  std::map<const char*, size_t> blocks;
};
Pinned& pinned() {
  static Pinned* const one = new Pinned;
  return *one;
}

}  // namespace

void* allocate_pinned(size_t bytes) {
  auto* p = static_cast<char*>(std::malloc(bytes));
  const std::lock_guard lock(pinned().mutex);
  pinned().blocks[p] = bytes;
  return p;
}

void release_pinned(void* p) {
  const std::lock_guard lock(pinned().mutex);
  pinned().blocks.erase(static_cast<const char*>(p));
  std::free(p);
}

bool is_pinned(const void* p) {
  const auto* at = static_cast<const char*>(p);
  const std::lock_guard lock(pinned().mutex);
  auto found = pinned().blocks.upper_bound(at);
  if (found == pinned().blocks.begin()) return false;
  --found;
  return at < found->first + found->second;
}

void limit_bytes(int device, size_t bytes) {
  const std::lock_guard lock(arena().mutex);
  arena().limit[static_cast<size_t>(device)] = bytes;
}

int64_t bytes_in_use(int device) { return static_cast<int64_t>(arena().in_use[static_cast<size_t>(device)]); }

int64_t peak_bytes(int device) { return static_cast<int64_t>(arena().peak[static_cast<size_t>(device)]); }

namespace {

/// Where this module lies in memory. dladdr would say it too, but looks through all symbols of LibTorch each time.
class Module {
 public:
  Module() {
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* self) {
          auto& module = *static_cast<Module*>(self);
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& segment = info->dlpi_phdr[i];
            const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
            const auto here = reinterpret_cast<uintptr_t>(&count);
            if (segment.p_type != PT_LOAD || here < begin || here >= begin + segment.p_memsz) continue;
            module = Module(info->dlpi_addr, begin, begin + segment.p_memsz);
          }
          return 0;
        },
        this);
  }
  bool has(const void* p) const {
    const auto at = reinterpret_cast<uintptr_t>(p);
    return at >= begin_ && at < end_;
  }
  size_t offset_of(const void* p) const { return reinterpret_cast<uintptr_t>(p) - base_; }

 private:
  Module(uintptr_t base, uintptr_t begin, uintptr_t end) : base_(base), begin_(begin), end_(end) {}
  uintptr_t base_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace

void count(Event event, const std::string& what, int64_t bytes) {
  if (is_replaying()) return;
  require_recordable(event, what);
  static const char* const path = std::getenv("RAT_GPU_SIM_LOG");
  if (!path) return;
  static std::mutex mutex;
  static std::FILE* const file = std::fopen(path, "a");
  static const char* const names[] = {"launch", "operator",         "h2d",  "h2d-blocking", "d2h",
                                      "sync",   "nondeterministic", "graph"};
  void* frames[48];
  const int depth = backtrace(frames, 48);
  const std::lock_guard lock(mutex);
  std::fprintf(file, "%s\t%s\t%lld", names[static_cast<int>(event)], what.c_str(),
               static_cast<long long>(bytes));
  // Return addresses inside this module, for addr2line.
  static const Module self;
  for (int i = 1; i < depth; ++i)
    if (self.has(frames[i])) std::fprintf(file, "\t%zx", self.offset_of(frames[i]) - 1);
  std::fputc('\n', file);
  std::fflush(file);
}

}  // namespace gpu_sim
