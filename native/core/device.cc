#include "core/device.h"

#include <ATen/Context.h>

#include "core/check.h"
#ifdef RAT_CUDA
#include "cuda/devices.h"
#endif

namespace rat {

bool has_cuda() {
#ifdef RAT_CUDA
  return true;
#else
  return false;
#endif
}

bool is_simulated() {
#ifdef RAT_GPU_SIM
  return true;
#else
  return false;
#endif
}

std::vector<DeviceInfo> cuda_devices() {
#ifdef RAT_CUDA
  return cuda::devices();
#else
  return {};
#endif
}

DeviceMemory device_memory(at::Device device) {
#ifdef RAT_CUDA
  if (device.is_cuda()) return cuda::device_memory(device.index());
#endif
  return {};
}

void limit_device_memory(at::Device device, std::optional<int64_t> more) {
#ifdef RAT_CUDA
  if (device.is_cuda()) cuda::limit_device_memory(device.index(), more);
#endif
}

int compute_capability(at::Device device) {
#ifdef RAT_CUDA
  if (device.is_cuda()) return cuda::compute_capability(device.index());
#endif
  return 0;
}

double product_rate(at::Device device, at::ScalarType type, bool tf32) {
#ifdef RAT_CUDA
  if (device.is_cuda()) return cuda::product_rate(device.index(), type, tf32);
#endif
  return 0;
}

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  const std::string simulated = "cuda-sim";
  const std::string type = is_simulated() && name.starts_with(simulated) ? simulated : "cuda";
  const std::string index = name.size() > type.size() + 1 ? name.substr(type.size() + 1) : "0";
  const bool well_formed = name == type || (name == type + ":" + index && index.size() <= 3 &&
                                            index.find_first_not_of("0123456789") == std::string::npos);
  RAT_CHECK(well_formed, "ERR_RAT_DEVICE", "Unknown device '", name, "'; use cpu, cuda or cuda:N");
  RAT_CHECK(has_cuda(), "ERR_RAT_DEVICE", "Device '", name,
            "' was asked for, but the addon was built for the CPU; see: npx r-at doctor");
  RAT_CHECK(at::globalContext().hasCUDA(), "ERR_RAT_DEVICE", "Device '", name,
            "' was asked for, but no CUDA device can be used here; see: npx r-at doctor");
  const int count = at::globalContext().getAcceleratorHooksInterface(at::kCUDA).deviceCount();
  RAT_CHECK(std::stoi(index) < count, "ERR_RAT_DEVICE", "Device '", name,
            "' was asked for, but there are only ", count);
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(std::stoi(index)));
}

}  // namespace rat
