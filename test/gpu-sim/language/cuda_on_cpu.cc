#include "language/cuda_on_cpu.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "language/context.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SIM_ASAN 1
#endif
#if defined(CUDA_ON_CPU_TSAN)  // this file itself is compiled without -fsanitize=thread
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#define SIM_TSAN 1
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kStack = 256 * 1024;
constexpr size_t kShared = 228 * 1024, kSlab = 2 * kShared, kRedZone = 64;

enum class State { kNew, kRunnable, kBarrier, kWarp, kFinished };

struct Fiber {
  Context context;
  void* stack = nullptr;
  void* tsan = nullptr;
  void* fake_stack = nullptr;
};

struct Lane {
  State state = State::kNew;
  Fiber* fiber = nullptr;
  const char* file = "";
  unsigned line = 0, column = 0, mask = 0;
  uint64_t value = 0;
  uint64_t* all = nullptr;
  uint64_t path = 0;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "cuda_on_cpu: block %u: %s\n", blockIdx.x, what.c_str());
  std::abort();
}

class Block {
 public:
  static thread_local Block* current;

  Block(dim3 size, const std::function<void()>& thread, const std::vector<unsigned>& order)
      : size_(size), thread_(thread), order_(order), lanes_(size.x * size.y * size.z) {}

  void run() {
    current = this;
#ifdef SIM_TSAN
    main_.tsan = __tsan_get_current_fiber();
    slab_.reset(static_cast<char*>(std::malloc(kSlab)));
    __tsan_release(&begin_tag_);
#else
    static thread_local std::unique_ptr<char, void (*)(void*)> kept(nullptr, std::free);
    if (!kept) kept.reset(static_cast<char*>(std::malloc(kSlab)));
    slab_.reset(kept.get());
#endif
    for (;;) {
      while (next_ < lanes_.size()) enter(take_fiber());
      bool went_on = false;
      for (const unsigned i : order_)
        if (lanes_[i].state == State::kRunnable) {
          went_on = true;
          resume(i);
        }
      if (went_on) continue;
      if (std::all_of(lanes_.begin(), lanes_.end(),
                      [](const Lane& l) { return l.state == State::kFinished; }))
        break;
      if (!release_warps() && !release_barrier()) die("deadlock: " + describe());
    }
#ifdef SIM_TSAN
    __tsan_acquire(&end_tag_);
#else
    slab_.release();
#endif
    for (Fiber* fiber : made_) give_back(fiber);
    current = nullptr;
  }

  void wait(State state, const std::source_location& where, unsigned mask, uint64_t value, uint64_t* all) {
    const unsigned me = running_;
    Lane& lane = lanes_[me];
    lane = {state, lane.fiber, where.file_name(), where.line(), where.column(), mask,
            value, all,        path(*lane.fiber)};
#ifdef SIM_TSAN
    // A tag for each instance of a barrier, two in turn: with one alone a thread that leaves the first would
    // be ordered after what a faster one did before it came to the second, and that race would be missed.
    void* const instance = tag(state, me);
    __tsan_release(instance);
#endif
    leave(*lane.fiber);
#ifdef SIM_TSAN
    __tsan_acquire(instance);
#endif
  }

  void* shared(const void* site, size_t bytes) {
    const auto found = sites_.find(site);
    if (found != sites_.end()) return slab_.get() + found->second;
    const size_t at = used_ + kRedZone;
    used_ = at + (bytes + 15) / 16 * 16 + kRedZone;
    if (used_ - 2 * kRedZone * sites_.size() > kShared + 2 * kRedZone)
      die("more than 228 KiB of shared memory");
    sites_[site] = at;
#ifdef SIM_ASAN
    __asan_poison_memory_region(slab_.get() + at - kRedZone, used_ - at + kRedZone);
    __asan_unpoison_memory_region(slab_.get() + at, bytes);
#endif
#ifndef SIM_TSAN
    std::memset(slab_.get() + at, 0xFF, bytes);
#endif
    return slab_.get() + at;
  }

  unsigned running() const { return running_; }

 private:
  // One fiber runs one CUDA thread after the other until one of them waits: a kernel without barriers costs
  // no switch. Under TSan each thread has a fiber of its own.
  static void main() {
    Block* const self = current;
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &self->main_bottom_, &self->main_size_);
#endif
#ifdef SIM_TSAN
    __tsan_acquire(&self->begin_tag_);
#endif
    Fiber* fiber = self->entering_;
    do {
      const unsigned me = self->order_[self->next_++];
      self->lanes_[me].fiber = fiber;
      self->set(me);
      self->thread_();
      self->lanes_[me].state = State::kFinished;
#ifdef SIM_TSAN
      break;
#endif
    } while (self->next_ < self->lanes_.size());
#ifdef SIM_TSAN
    __tsan_release(&self->end_tag_);
#endif
    self->leave(*fiber);
  }

  void set(unsigned me) {
    running_ = me;
    threadIdx = {me % size_.x, me / size_.x % size_.y, me / size_.x / size_.y};
  }

  /// Which calls led to a barrier: one helper called in two branches is divergence too. Sanitized builds
  /// alone keep frame pointers.
  static uint64_t path([[maybe_unused]] const Fiber& fiber) {
    uint64_t hash = 0;
#if defined(SIM_ASAN) || defined(SIM_TSAN)
    auto** frame = static_cast<void**>(__builtin_frame_address(0));
    const auto* low = static_cast<char*>(fiber.stack);
    for (int i = 0; i < 8; ++i) {
      const auto* at = reinterpret_cast<char*>(frame);
      if (at < low || at >= low + kStack - 2 * sizeof(void*)) break;
      hash = hash * 1099511628211u + reinterpret_cast<uintptr_t>(frame[1]);
      frame = static_cast<void**>(frame[0]);
    }
#endif
    return hash;
  }

  void* tag(State state, unsigned me) {
    const unsigned warp = me / 32 % 32;
    return state == State::kBarrier ? &barrier_tags_[barriers_ % 2] : &warp_tags_[warp][warps_[warp] % 2];
  }

  void enter(Fiber* fiber) {
    entering_ = fiber;
    prepare(fiber->context, fiber->stack, kStack, &Block::main);
    go(fiber);
  }

  void resume(unsigned i) {
    set(i);
    go(lanes_[i].fiber);
  }

  void go(Fiber* fiber) {
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&main_.fake_stack, fiber->stack, kStack);
#endif
#ifdef SIM_TSAN
    __tsan_switch_to_fiber(fiber->tsan, 1 /* without an order */);
#endif
    change(main_.context, fiber->context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(main_.fake_stack, nullptr, nullptr);
#endif
  }

  void leave(Fiber& fiber) {
#ifdef SIM_ASAN
    __sanitizer_start_switch_fiber(&fiber.fake_stack, main_bottom_, main_size_);
#endif
#ifdef SIM_TSAN
    __tsan_switch_to_fiber(main_.tsan, 1);
#endif
    change(fiber.context, main_.context);
#ifdef SIM_ASAN
    __sanitizer_finish_switch_fiber(fiber.fake_stack, nullptr, nullptr);
#endif
  }

  bool release_warps() {
    bool any = false;
    for (size_t first = 0; first < lanes_.size(); first += 32) {
      unsigned arrived = 0;
      const size_t count = std::min<size_t>(32, lanes_.size() - first);
      for (size_t i = 0; i < count; ++i)
        if (lanes_[first + i].state == State::kWarp) arrived |= 1u << i;
      for (size_t i = 0; i < count; ++i) {
        Lane& lane = lanes_[first + i];
        if (lane.state != State::kWarp) continue;
        // Lanes beyond the block, or whose thread has ended, are waited for by no one.
        unsigned wanted = 0;
        for (size_t j = 0; j < count; ++j)
          if (lane.mask >> j & 1 && lanes_[first + j].state != State::kFinished) wanted |= 1u << j;
        if ((arrived & wanted) != wanted) continue;
        ++warps_[first / 32 % 32];
        for (size_t j = 0; j < count; ++j)
          if (wanted >> j & 1) {
            if (lanes_[first + j].line != lane.line || lanes_[first + j].column != lane.column)
              die("lanes of a warp are at different primitives: " + describe());
            for (size_t k = 0; k < 32; ++k)  // a lane that does not take part: no value to rely on
              lanes_[first + j].all[k] = wanted >> k & 1 ? lanes_[first + k].value : ~uint64_t{0};
            lanes_[first + j].state = State::kRunnable;
            any = true;
          }
      }
    }
    return any;
  }

  bool release_barrier() {
    const Lane* first = nullptr;
    for (const Lane& lane : lanes_) {
      if (lane.state == State::kFinished) continue;  // as on the device: ended threads are not waited for
      if (lane.state != State::kBarrier) return false;
      if (first && (lane.line != first->line || lane.column != first->column || lane.path != first->path ||
                    std::strcmp(lane.file, first->file) != 0))
        die("threads are at different barriers, or came to one by different calls: " + describe());
      first = &lane;
    }
    for (Lane& lane : lanes_)
      if (lane.state == State::kBarrier) lane.state = State::kRunnable;
    ++barriers_;
    return true;
  }

  std::string describe() const {
    std::map<std::string, int> places;
    for (const Lane& lane : lanes_)
      ++places[lane.state == State::kFinished ? "ended"
                                              : std::string(lane.file) + ":" + std::to_string(lane.line) +
                                                    ":" + std::to_string(lane.column)];
    std::string text;
    for (const auto& [place, count] : places) text += std::to_string(count) + " at " + place + "  ";
    return text;
  }

  static std::vector<Fiber*>& pool() {
    static thread_local std::vector<Fiber*> fibers;
    return fibers;
  }
  Fiber* take_fiber() {
    Fiber* fiber;
    if (pool().empty()) {
      fiber = new Fiber;
      fiber->stack =
          mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    } else {
      fiber = pool().back();
      pool().pop_back();
    }
#ifdef SIM_TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    made_.push_back(fiber);
    return fiber;
  }
  static void give_back(Fiber* fiber) {
#ifdef SIM_TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
    pool().push_back(fiber);
  }

#ifdef SIM_TSAN
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> slab_;
#else
  std::unique_ptr<char> slab_;
#endif
  dim3 size_;
  const std::function<void()>& thread_;
  const std::vector<unsigned>& order_;
  std::vector<Lane> lanes_;
  size_t next_ = 0, used_ = 0;
  unsigned running_ = 0;
  Fiber main_, *entering_ = nullptr;
  std::vector<Fiber*> made_;
  std::map<const void*, size_t> sites_;
  const void* main_bottom_ = nullptr;
  size_t main_size_ = 0;
  unsigned barriers_ = 0, warps_[32] = {};  // how many have been passed
  // Two, so that a thread that begins after another has ended is not taken to wait for it.
  char begin_tag_ = 0, end_tag_ = 0;
  char barrier_tags_[2] = {}, warp_tags_[32][2] = {};
};
thread_local Block* Block::current = nullptr;

std::vector<unsigned> in_order(size_t count) {
  static const std::string how = [] {
    const char* value = std::getenv("CUDA_ON_CPU_ORDER");
    return std::string(value ? value : "");
  }();
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0u);
  if (how == "reverse") std::reverse(order.begin(), order.end());
  if (how == "shuffle") std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<unsigned>(count)));
  return order;
}

}  // namespace

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread) {
  blockDim = block;
  gridDim = grid;
  const std::vector<unsigned> threads = in_order(size_t{block.x} * block.y * block.z);
  for (const unsigned b : in_order(size_t{grid.x} * grid.y * grid.z)) {
    blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
    Block(block, thread, threads).run();
  }
}

void* block_shared(const void* site, size_t bytes) { return Block::current->shared(site, bytes); }

void barrier(const std::source_location& where) {
  Block::current->wait(State::kBarrier, where, 0, 0, nullptr);
}

unsigned lane() { return Block::current->running() % 32; }

void warp_exchange(unsigned mask, uint64_t mine, uint64_t (&all)[32], const std::source_location& where) {
  Block* block = Block::current;
  const unsigned me = block->running();
  if (!(mask >> me % 32 & 1)) die("a lane calls a warp primitive whose mask leaves it out");
  block->wait(State::kWarp, where, mask, mine, all);
}

}  // namespace cuda_on_cpu
