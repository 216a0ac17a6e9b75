// Stands in for LibTorch's header.
#pragma once

#include <c10/core/Allocator.h>

#include "device/gpu_sim.h"

enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal };

namespace at::cuda {

inline c10::MempoolId_t graph_pool_handle() {
  return {0, static_cast<c10::CaptureId_t>(gpu_sim::new_pool())};
}

class CUDAGraph {
 public:
  void capture_begin(c10::MempoolId_t pool, cudaStreamCaptureMode) {
    gpu_sim::begin_recording(graph_, static_cast<int64_t>(pool.second));
  }
  void capture_end() { gpu_sim::end_recording(); }
  void reset() { graph_.launches.clear(); }
  void replay() { gpu_sim::replay(graph_); }

 private:
  gpu_sim::Graph graph_;
};

}  // namespace at::cuda
