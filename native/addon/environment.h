// What the addon keeps for each JavaScript environment (the main thread and each worker have one): never
// static, so that workers can come and go.
#pragma once

#include <napi.h>

#include <memory>
#include <set>

#include "addon/trainer_thread.h"

namespace rat {

/// Threads that have been started and not joined: what an exit must stop. Shared with the trainers, whose
/// finalizers may run after the environment's data is gone.
using LiveThreads = std::set<TrainerThread*>;

struct Environment {
  std::shared_ptr<LiveThreads> live = std::make_shared<LiveThreads>();
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace rat
