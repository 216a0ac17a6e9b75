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

void use_own_stream(c10::Device device) {
#ifdef RAT_CUDA
  if (device.is_cuda()) cuda::use_own_stream(device.index());
#endif
}

}  // namespace rat
