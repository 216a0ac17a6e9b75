#include "core/device_graph.h"

#ifdef RAT_CUDA
#include "cuda/device_graph.h"
#endif

namespace rat {

std::unique_ptr<DeviceGraph> make_device_graph(c10::Device device, DeviceGraph* shares_memory_with) {
#ifdef RAT_CUDA
  if (device.is_cuda()) return cuda::make_device_graph(shares_memory_with);
#endif
  return nullptr;
}

OwnStream::OwnStream(c10::Device device) : device_(device) {
#ifdef RAT_CUDA
  if (device.is_cuda()) stream_ = cuda::take_stream(device.index());
#endif
}

OwnStream::~OwnStream() {
#ifdef RAT_CUDA
  if (stream_) cuda::give_back_stream(device_.index(), stream_);
#endif
}

}  // namespace rat
