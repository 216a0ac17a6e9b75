#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <map>
#include <mutex>
#include <vector>

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

namespace {

// Streams that were given back, by device, to be used again: LibTorch's allocator keeps memory by stream.
std::mutex mutex;
std::map<int, std::vector<cudaStream_t>> free_streams;

}  // namespace

void* take_stream(int device) {
  const auto index = static_cast<c10::DeviceIndex>(device);
  const c10::DeviceGuard guard(c10::Device(c10::kCUDA, index));
  const std::lock_guard lock(mutex);
  std::vector<cudaStream_t>& free = free_streams[device];
  if (free.empty()) C10_CUDA_CHECK(cudaStreamCreateWithFlags(&free.emplace_back(), cudaStreamNonBlocking));
  const cudaStream_t stream = free.back();
  free.pop_back();
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromExternal(stream, index));
  return stream;
}

void give_back_stream(int device, void* stream) {
  const std::lock_guard lock(mutex);
  free_streams[device].push_back(static_cast<cudaStream_t>(stream));
}

}  // namespace rat::cuda
