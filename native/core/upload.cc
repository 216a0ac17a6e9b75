#include "core/upload.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <cstring>

namespace rat {
namespace {

constexpr size_t kAlignment = 64;

}  // namespace

template <typename T>
void Upload::add(const std::vector<T>& values, at::Tensor& target) {
  const size_t begin = bytes_.size(), bytes = values.size() * sizeof(T);
  bytes_.resize(begin + (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (bytes > 0) std::memcpy(bytes_.data() + begin, values.data(), bytes);
  arrays_.push_back({begin, bytes, c10::CppTypeToScalarType<T>::value, target});
}

template void Upload::add(const std::vector<int32_t>&, at::Tensor&);
template void Upload::add(const std::vector<int64_t>&, at::Tensor&);
template void Upload::add(const std::vector<float>&, at::Tensor&);
template void Upload::add(const std::vector<double>&, at::Tensor&);

void Upload::send(at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(device.is_cuda());
  const at::Tensor host = at::empty({static_cast<int64_t>(bytes_.size())}, options);
  if (!bytes_.empty()) std::memcpy(host.data_ptr(), bytes_.data(), bytes_.size());
  const at::Tensor sent = device.is_cpu() ? host : host.to(device, /*non_blocking=*/true);
  for (const Array& array : arrays_)
    array.target.get() =
        sent.narrow(0, static_cast<int64_t>(array.begin), static_cast<int64_t>(array.bytes)).view(array.type);
}

}  // namespace rat
