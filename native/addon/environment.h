// What the addon keeps for each JavaScript environment (the main thread and each worker have one): never
// static, so that workers can come and go.
#pragma once

#include <napi.h>

#include <set>

#include "addon/trainer_thread.h"

namespace rat {

struct Environment {
  std::set<TrainerThread*> live;  // started and not disposed of
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace rat
