#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda/device_graph.h"

namespace rat::cuda {
namespace {

class CudaGraph final : public DeviceGraph {
 public:
  explicit CudaGraph(CudaGraph* shares_memory_with)
      : pool_(shares_memory_with ? shares_memory_with->pool_ : at::cuda::graph_pool_handle()) {}

  void record(const std::function<void()>& work) override {
    // Other threads may do with their streams what they like meanwhile.
    graph_.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // says that the recording is not valid, for what is being thrown
      }
      graph_.reset();
      throw;
    }
    graph_.capture_end();
  }

  void replay() override { graph_.replay(); }

 private:
  c10::MempoolId_t pool_;
  at::cuda::CUDAGraph graph_;
};

}  // namespace

std::unique_ptr<DeviceGraph> make_device_graph(DeviceGraph* shares_memory_with) {
  return std::make_unique<CudaGraph>(static_cast<CudaGraph*>(shares_memory_with));
}

void use_own_stream(int device) {
  const auto index = static_cast<c10::DeviceIndex>(device);
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index));
}

}  // namespace rat::cuda
