#include "core/cpu_versions.h"

#include <cstdlib>
#include <cstring>

#include "core/savings.h"

namespace rat {
namespace {

CpuVersion detect() {
#ifdef RAT_X86
  if (!is_on(Saving::kVector)) return CpuVersion::kPlain;
  const char* wanted = std::getenv("ATEN_CPU_CAPABILITY");
  const auto is = [&](const char* name) { return wanted != nullptr && std::strcmp(wanted, name) == 0; };
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  if (!has_avx2 || is("default")) return CpuVersion::kPlain;
  return has_avx512 && !is("avx2") ? CpuVersion::kAvx512 : CpuVersion::kAvx2;
#else
  return CpuVersion::kPlain;
#endif
}

}  // namespace

CpuVersion cpu_version() {
  static const CpuVersion version = detect();
  return version;
}

}  // namespace rat
