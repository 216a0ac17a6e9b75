#include "core/upload.h"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>

#include "core/check.h"

namespace rat {
namespace {

constexpr size_t kAlignment = 64;

/// On a GPU, by a stream of its own: the stream of the work is still busy with the step before, and only waits for the copy.
at::Tensor copied(const at::Tensor& host, at::Device device) {
  if (device.is_cpu()) return host;
  thread_local std::map<at::DeviceIndex, c10::Stream> streams;
  const c10::impl::VirtualGuardImpl guards(device.type());
  const c10::Stream of_work = guards.getStream(device);
  auto found = streams.find(device.index());
  if (found == streams.end())
    found = streams.emplace(device.index(), guards.getStreamFromGlobalPool(device)).first;
  const c10::Stream of_copies = found->second;
  at::Tensor memory;
  {
    const c10::StreamGuard guard(of_copies);
    memory = host.to(device, /*non_blocking=*/true);
  }
  c10::Event is_copied(device.type());
  is_copied.record(of_copies);
  of_work.wait(is_copied);
  // It is the other stream's memory: what is done with it here has to end before it is that stream's again.
  guards.recordDataPtrOnStream(memory.storage().data_ptr(), of_work);
  return memory;
}

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
  const at::Tensor sent = copied(host, device);
  if (!memory.defined()) {
    memory = sent;
  } else {
    RAT_CHECK(memory.nbytes() == host.nbytes(), "ERR_RAT_INTERNAL", "an upload of ", host.nbytes(),
              " bytes for memory of ", memory.nbytes());
    memory.copy_(sent);
  }
  for (const Array& array : arrays_)
    array.target.get() =
        memory.narrow(0, static_cast<int64_t>(array.begin), static_cast<int64_t>(array.bytes))
            .view(array.type);
  return memory;
}

}  // namespace rat
