// Exports for tests alone: parts of the arithmetic by themselves, and failures on demand.
#pragma once

#include <napi.h>

namespace rat {

void define_probes(Napi::Env env, Napi::Object exports);

}  // namespace rat
