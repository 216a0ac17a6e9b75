#include "core/upload.h"

#include <ATen/ops/empty.h>

#include "core/check.h"

namespace rat {
namespace {

constexpr size_t kAlignment = 64;

}  // namespace

void Upload::reserve(size_t bytes, at::ScalarType type, at::Tensor& target, Fill fill) {
  arrays_.push_back({bytes_, bytes, type, target, std::move(fill)});
  bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

at::Tensor Upload::send(at::Device device, at::Tensor memory) {
  const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(device.is_cuda());
  const at::Tensor host = at::empty({static_cast<int64_t>(bytes_)}, options);
  for (const Array& array : arrays_)
    if (array.bytes > 0) array.fill(static_cast<std::byte*>(host.data_ptr()) + array.begin);
  if (!memory.defined()) {
    memory = device.is_cpu() ? host : host.to(device, /*non_blocking=*/true);
  } else {
    RAT_CHECK(memory.nbytes() == host.nbytes(), "ERR_RAT_INTERNAL", "an upload of ", host.nbytes(),
              " bytes for memory of ", memory.nbytes());
    memory.copy_(host, /*non_blocking=*/true);
  }
  for (const Array& array : arrays_)
    array.target.get() =
        memory.narrow(0, static_cast<int64_t>(array.begin), static_cast<int64_t>(array.bytes))
            .view(array.type);
  return memory;
}

}  // namespace rat
