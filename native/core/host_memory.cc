#include "core/host_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/check.h"

namespace rat {
namespace {

/// Smaller blocks are malloc's, which is good at them.
constexpr size_t kLarge = 32 << 10;
constexpr size_t kPage = 4096;
/// Blocks from here on are made of huge pages where the system has them: fewer faults.
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kHuge = 2 * kHugePage;
/// Of the most that has been in use, what may be in use or waiting: packed batches never have the same sizes twice, and without
/// room to choose from hardly a block fits. Half of a step's page faults, and 5 % of R-AT's time with MiniLM, for a tenth of its
/// memory; more room brings no more.
constexpr double kRoom = 1.2;

size_t rounded(size_t bytes) {
  const size_t unit = bytes >= kHuge ? kHugePage / 4 : bytes >= (512 << 10) ? 64 << 10 : 8 << 10;
  return (bytes + unit - 1) / unit * unit;
}

class HostMemory {
 public:
  void* take(size_t bytes) {
    const size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    // A block of up to twice the size will do: its pages are there already.
    auto found = waiting_.lower_bound({size, 0});
    if (found != waiting_.end() && found->first.first <= 2 * size) return take_waiting(found);

    const size_t most = std::max(most_used_, used_ + size);
    trim(static_cast<size_t>(kRoom * static_cast<double>(most)) - size);
    void* block = map(size);
    if (block == nullptr) {
      trim(0);
      block = map(size);
    }
    if (block == nullptr) return nullptr;
    blocks_.emplace(block, size);
    used_ += size;
    most_used_ = most;
    return block;
  }

  /// Whether it was one of ours.
  bool give_back(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return false;
    used_ -= found->second;
    waiting_bytes_ += found->second;
    ages_.emplace(clock_, found->second);
    waiting_.emplace(std::pair(found->second, clock_++), block);
    return true;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    trim(0);
    most_used_ = used_;
  }

 private:
  using Waiting = std::map<std::pair<size_t, uint64_t>, void*>;

  void* take_waiting(Waiting::iterator found) {
    const auto [size, age] = found->first;
    void* const block = found->second;
    waiting_.erase(found);
    ages_.erase(age);
    waiting_bytes_ -= size;
    used_ += size;
    return block;
  }

  /// Gives back what has waited longest, until no more than `limit` bytes are in use or waiting.
  void trim(size_t limit) {
    while (used_ + waiting_bytes_ > limit && !ages_.empty()) {
      const auto [age, size] = *ages_.begin();
      const auto found = waiting_.find({size, age});
      munmap(found->second, size);
      blocks_.erase(found->second);
      waiting_.erase(found);
      ages_.erase(ages_.begin());
      waiting_bytes_ -= size;
    }
  }

  static void* map(size_t size) {
    void* const block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
    if (size >= kHuge) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
  }

  std::mutex mutex_;
  size_t used_ = 0, waiting_bytes_ = 0, most_used_ = 0;
  uint64_t clock_ = 1;
  std::unordered_map<void*, size_t> blocks_;  // all of ours, with their sizes
  Waiting waiting_;                           // by size and age
  std::map<uint64_t, size_t> ages_;           // when each was given back
};

/// Lives for ever: tensors may end after everything else.
HostMemory& memory() {
  static HostMemory* const instance = std::make_unique<HostMemory>().release();
  return *instance;
}

void give_back(void* block) {
  if (block == nullptr) return;
  c10::profiledCPUMemoryReporter().Delete(block);
  const bool may_be_ours = reinterpret_cast<uintptr_t>(block) % kPage == 0;
  if (!may_be_ours || !memory().give_back(block)) c10::free_cpu(block);
}

std::atomic<int64_t> requests_until_failure{0};

/// Whether this is the request that a test wants to fail.
bool must_fail() {
  if (requests_until_failure.load(std::memory_order_relaxed) <= 0) return false;
  return requests_until_failure.fetch_sub(1, std::memory_order_relaxed) == 1;
}

class HostAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const block = bytes > 0 && must_fail() ? nullptr
                        : bytes < kLarge         ? c10::alloc_cpu(bytes)
                                                 : memory().take(bytes);
    RAT_CHECK(block != nullptr || bytes == 0, "ERR_RAT_HOST_OOM", "Out of memory: ", bytes,
              " bytes cannot be had");
    c10::profiledCPUMemoryReporter().New(block, bytes);
    return {block, block, &give_back, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void install_host_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  static const bool is_installed = [] {
    c10::SetCPUAllocator(std::make_unique<HostAllocator>().release(), /*priority=*/100);
    // oneDNN, and what LibTorch has before it, keep the code that they made for each shape, a third of a megabyte
    // on average, and packed batches have new shapes in every step. So many are enough for the layers of one step
    // to share theirs.
    for (const char* cache : {"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"})
      ::setenv(cache, "256", /*overwrite=*/0);
    return true;
  }();
  (void)is_installed;
#endif
}

void release_host_memory() { memory().release(); }

void fail_allocation(int64_t n) { requests_until_failure = n; }

}  // namespace rat
