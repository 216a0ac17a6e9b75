#include "core/profile.h"

#include <c10/core/Allocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>

namespace rat {

/// Found by LibTorch, and by our callback, as the thread's "profiler state", which autograd hands on to its threads.
struct StepProfile::Counts : c10::MemoryReportingInfoBase {
  std::atomic<int64_t> operators{0}, allocations{0}, bytes{0};

  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    if (size <= 0) return;  // given back
    ++allocations;
    bytes += size;
  }
  bool memoryProfilingEnabled() const override { return true; }
};

namespace {

c10::DebugInfoKind kind() { return c10::DebugInfoKind::PROFILER_STATE; }

std::unique_ptr<at::ObserverContext> count_operator(const at::RecordFunction&) {
  auto* info = c10::ThreadLocalDebugInfo::get(kind());
  if (auto* counts = dynamic_cast<StepProfile::Counts*>(info)) ++counts->operators;
  return nullptr;
}

}  // namespace

StepProfile::StepProfile(at::Device device)
    : device_(device),
      last_(std::chrono::steady_clock::now()),
      counts_(std::make_shared<Counts>()),
      callback_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(count_operator).scopes({at::RecordScope::FUNCTION}))),
      memory_(std::make_unique<c10::DebugInfoGuard>(kind(), counts_)) {}

StepProfile::~StepProfile() { at::removeCallback(callback_); }

void StepProfile::mark(const char* phase) {
  if (!device_.is_cpu()) c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
  const auto now = std::chrono::steady_clock::now();
  phases_.emplace_back(phase, std::chrono::duration<double, std::milli>(now - last_).count());
  last_ = now;
}

StepTimes StepProfile::times() const {
  return {phases_, counts_->operators, counts_->allocations, counts_->bytes};
}

}  // namespace rat
