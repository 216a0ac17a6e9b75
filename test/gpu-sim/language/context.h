// Stacks to change between. swapcontext asks the system for the signal mask at each change, which is most of the time of a
// simulated kernel; where we can, only the registers that a call keeps are exchanged.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)

asm(R"(
.pushsection .text
.type cuda_on_cpu_exchange, @function
cuda_on_cpu_exchange:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_exchange, . - cuda_on_cpu_exchange
.popsection
)");
/// Leaves this stack, to where `*from` will point, for the one of `to`.
extern "C" void cuda_on_cpu_exchange(void** from, void* to);

namespace cuda_on_cpu {

struct Context {
  void* top = nullptr;
};

/// `entry` is called on the stack the first time that it is changed to; it must never return.
inline void prepare(Context& context, void* stack, size_t bytes, void (*entry)()) {
  auto** top = reinterpret_cast<void**>(static_cast<char*>(stack) + bytes);
  top[-1] = nullptr;  // where entry would return to
  top[-2] = reinterpret_cast<void*>(entry);
  for (int kept = 3; kept <= 8; ++kept) top[-kept] = nullptr;
  context.top = top - 8;
}

inline void change(Context& from, Context& to) { cuda_on_cpu_exchange(&from.top, to.top); }

}  // namespace cuda_on_cpu

#else

#include <ucontext.h>

namespace cuda_on_cpu {

struct Context {
  ucontext_t context{};
};

inline void prepare(Context& context, void* stack, size_t bytes, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack;
  context.context.uc_stack.ss_size = bytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}

inline void change(Context& from, Context& to) { swapcontext(&from.context, &to.context); }

}  // namespace cuda_on_cpu

#endif
