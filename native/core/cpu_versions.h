// Code of our own that is compiled for several kinds of processors, and the choice among them. It follows LibTorch's, so that
// ATEN_CPU_CAPABILITY (avx2, default) holds for both: a result depends on the instructions, and a run keeps what it had.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__)
#define RAT_X86 1
#endif

namespace rat {

enum class CpuVersion { kPlain, kAvx2, kAvx512 };

/// The best that this processor has and the environment allows; always the same in a process.
CpuVersion cpu_version();

}  // namespace rat

#ifdef RAT_X86
#define RAT_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define RAT_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#endif

#define RAT_ALWAYS_INLINE inline __attribute__((always_inline))

/// Defines `void name parameters`, which runs `body arguments` (RAT_ALWAYS_INLINE), compiled for the processor at hand.
#ifdef RAT_X86
#define RAT_CPU_VERSIONS(name, parameters, body, arguments)                  \
  RAT_TARGET_AVX512 static void name##_avx512 parameters { body arguments; } \
  RAT_TARGET_AVX2 static void name##_avx2 parameters { body arguments; }     \
  static void name##_plain parameters { body arguments; }                    \
  void name parameters {                                                     \
    switch (cpu_version()) {                                                 \
      case CpuVersion::kAvx512:                                              \
        return name##_avx512 arguments;                                      \
      case CpuVersion::kAvx2:                                                \
        return name##_avx2 arguments;                                        \
      case CpuVersion::kPlain:                                               \
        return name##_plain arguments;                                       \
    }                                                                        \
  }
#else
#define RAT_CPU_VERSIONS(name, parameters, body, arguments) \
  void name parameters { body arguments; }
#endif
