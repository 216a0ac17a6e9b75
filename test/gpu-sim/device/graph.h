// Between memory.cc and graph.cc.
#pragma once

#include "device/gpu_sim.h"

namespace gpu_sim {

/// What the current stream takes memory from: 0, or the pool of the recording that it is in.
int64_t current_pool();
/// Calls `f(address, bytes)` for what a stream has asked for outside pools.
void for_each_block(int device, int64_t stream, const std::function<void(void*, size_t)>& f);

/// Whether the calling thread is in `replay`.
bool is_replaying();
/// Throws what CUDA reports for copies from and to the host, and for waits, while their stream is recorded.
void require_recordable(Event event, const std::string& what);

}  // namespace gpu_sim
