// Makes a CPU build of LibTorch believe in two CUDA devices: allocator, device guard, hooks, and a fallback
// that runs each operator's CPU kernel on the bytes behind the device pointers. An operator that has no CUDA
// kernel in LibTorch has none here, and tensors on different devices are refused as there.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <unordered_map>

#include "device/gpu_sim.h"

namespace gpu_sim {
namespace {

thread_local c10::DeviceIndex current = 0;

void* allocate_or_throw(size_t bytes, int device) {
  void* p = gpu_sim::allocate(bytes, device);
  TORCH_CHECK_WITH(OutOfMemoryError, p != nullptr || bytes == 0, "CUDA out of memory: ", bytes, " bytes");
  return p;
}

struct DeviceAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* p = allocate_or_throw(bytes, current);
    return {p, p, &gpu_sim::release, c10::Device(c10::kCUDA, current)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &gpu_sim::release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(alias(to), alias(const_cast<void*>(from)), bytes);
  }
};
DeviceAllocator allocator;

struct PinnedAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* p = allocate_pinned(bytes);
    return {p, p, &release_pinned, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release_pinned; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};
PinnedAllocator pinned_allocator;
const bool allocator_is_set = (c10::SetAllocator(c10::kCUDA, &allocator), true);

// Events and streams order nothing, because everything is done at once; order.cc watches whether they would.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device d) const override {
    const c10::Device old = getDevice();
    setDevice(d);
    return old;
  }
  c10::Device getDevice() const override { return {c10::kCUDA, current}; }
  void setDevice(c10::Device d) const override {
    TORCH_CHECK(d.index() < kDevices, "CUDA error: invalid device ordinal");
    if (d.index() >= 0) current = d.index();
  }
  void uncheckedSetDevice(c10::Device d) const noexcept override {
    if (d.index() >= 0) current = d.index();
  }
  c10::Stream getStream(c10::Device d) const override {
    return c10::Stream(c10::Stream::UNSAFE, d, current_stream(d.index()));
  }
  c10::Stream getDefaultStream(c10::Device d) const override { return c10::Stream(c10::Stream::DEFAULT, d); }
  c10::Stream getNewStream(c10::Device d, int) const override {
    return c10::Stream(c10::Stream::UNSAFE, d, new_stream());
  }
  c10::Stream getStreamFromGlobalPool(c10::Device d, bool) const override { return getNewStream(d, 0); }
  c10::Stream exchangeStream(c10::Stream s) const override {
    const c10::Stream old = getStream(s.device());
    set_current_stream(s.device_index(), s.id());
    return old;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }
  void record(void** event, const c10::Stream& s, const c10::DeviceIndex,
              const c10::EventFlag) const override {
    *event = recorded_event(*event, s.id());
  }
  void block(void* event, const c10::Stream& s) const override { wait_for_event(event, s.id()); }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override { destroy_event(event); }
  void recordDataPtrOnStream(const c10::DataPtr& p, const c10::Stream& s) const override {
    note_recorded(p.get(), s.id());
  }
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override { count(Event::kHostSync, "synchronizeStream"); }
  void synchronizeEvent(void*) const override { count(Event::kHostSync, "synchronizeEvent"); }
  void synchronizeDevice(const c10::DeviceIndex) const override {
    count(Event::kHostSync, "synchronizeDevice");
  }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)

const std::unordered_map<std::string, bool>& operators_with_kernel() {
  static const std::unordered_map<std::string, bool> operators{
#include "cuda_ops.inc"
  };
  return operators;
}

/// Host tensors over the same bytes. Tensors that share a storage still do.
class Aliases {
 public:
  at::Tensor host(const at::Tensor& t) {
    if (!t.defined() || !t.is_cuda()) return t;
    c10::StorageImpl* storage = t.storage().unsafeGetStorageImpl();
    auto& made = to_host_[storage];
    if (!made) {
      void* bytes = const_cast<void*>(t.storage().data());
      TORCH_INTERNAL_ASSERT(bytes == nullptr || is_device(bytes), "a CUDA tensor holds a host pointer");
      made = c10::Storage(c10::Storage::use_byte_size_t(), t.storage().nbytes(),
                          c10::DataPtr(alias(bytes), c10::Device(c10::kCPU)), c10::GetCPUAllocator(), true);
      from_host_[made.unsafeGetStorageImpl()] = t.storage();
    }
    auto result = at::detail::make_tensor<c10::TensorImpl>(
        c10::Storage(made), c10::DispatchKeySet(c10::DispatchKey::CPU), t.dtype());
    result.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
    if (t.unsafeGetTensorImpl()->is_wrapped_number()) result.unsafeGetTensorImpl()->set_wrapped_number(true);
    return result;
  }

  /// An operator's result: a view of an argument, or new.
  at::Tensor device(const at::Tensor& t, c10::Device where, bool& is_new) {
    is_new = false;
    if (!t.defined() || t.is_cuda()) return t;
    const auto found = from_host_.find(t.storage().unsafeGetStorageImpl());
    c10::Storage storage;
    if (found != from_host_.end() && alias(const_cast<void*>(found->second.data())) == t.storage().data()) {
      storage = found->second;
    } else {
      is_new = true;
      const size_t bytes = t.storage().nbytes();
      void* p = allocate_or_throw(bytes, where.index());
      if (bytes > 0) std::memcpy(alias(p), t.storage().data(), bytes);
      storage = c10::Storage(c10::Storage::use_byte_size_t(), bytes,
                             c10::DataPtr(p, p, &gpu_sim::release, where), &allocator, true);
      from_host_[t.storage().unsafeGetStorageImpl()] = storage;
    }
    auto result = at::detail::make_tensor<c10::TensorImpl>(
        std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CUDA), t.dtype());
    result.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
    return result;
  }

  /// What an operator did to the shape of its `out` argument.
  static void write_back(const at::Tensor& device, const at::Tensor& host) {
    if (!device.defined() || !device.is_cuda()) return;
    void* bytes = const_cast<void*>(device.storage().data());
    const bool moved = alias(bytes) != host.storage().data();
    if (!moved && device.sizes() == host.sizes() && device.strides() == host.strides()) return;
    if (moved) {
      c10::StorageImpl* storage = device.storage().unsafeGetStorageImpl();
      const size_t wanted = host.storage().nbytes();
      void* p = allocate_or_throw(wanted, device.device().index());
      if (wanted > 0) std::memcpy(alias(p), host.storage().data(), wanted);
      storage->set_data_ptr_noswap(c10::DataPtr(p, p, &gpu_sim::release, device.device()));
      storage->set_nbytes(wanted);
    }
    device.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
  }

 private:
  std::unordered_map<c10::StorageImpl*, c10::Storage> to_host_;
  std::unordered_map<c10::StorageImpl*, c10::Storage> from_host_;
};

template <typename F>
void for_each_tensor(const c10::IValue& value, F f) {
  if (value.isTensor()) f(value.toTensor());
  if (value.isTensorList())
    for (const at::Tensor& t : value.toTensorVector()) f(t);
  if (value.isOptionalTensorList())
    for (const std::optional<at::Tensor>& t : value.toOptionalTensorVector())
      if (t) f(*t);
}

/// The value with `f` of each of its tensors in the tensor's place.
template <typename F>
c10::IValue with_tensors(const c10::IValue& value, F f) {
  if (value.isTensor()) return f(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(f(t));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const auto& t : value.toOptionalTensorVector())
      list.push_back(t ? std::optional<at::Tensor>(f(*t)) : std::nullopt);
    return list;
  }
  return value;
}

c10::IValue host_value(const c10::IValue& value, Aliases& aliases) {
  if (value.isDevice() && value.toDevice().is_cuda()) return c10::Device(c10::kCPU);
  return with_tensors(value, [&](const at::Tensor& t) { return aliases.host(t); });
}

/// Tensors over the same memory that do not keep it: a graph knows addresses alone. Tensors that share a storage still do.
class Borrowed {
 public:
  at::Tensor tensor(const at::Tensor& t) {
    if (!t.defined() || !t.is_cuda()) return t;
    c10::Storage& storage = storages_[t.storage().unsafeGetStorageImpl()];
    if (!storage)
      storage =
          c10::Storage(c10::Storage::use_byte_size_t(), t.storage().nbytes(),
                       c10::DataPtr(const_cast<void*>(t.storage().data()), t.device()), &allocator, false);
    auto result = at::detail::make_tensor<c10::TensorImpl>(
        c10::Storage(storage), c10::DispatchKeySet(c10::DispatchKey::CUDA), t.dtype());
    result.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
    return result;
  }

 private:
  std::unordered_map<c10::StorageImpl*, c10::Storage> storages_;
};

/// An operator in a graph: calculates again, to where its results were.
class RecordedOperator {
 public:
  RecordedOperator(const c10::OperatorHandle& op, const std::vector<c10::IValue>& arguments)
      : op_(op), arguments_(arguments) {
    Borrowed borrowed;
    for (c10::IValue& argument : arguments_)
      argument = with_tensors(argument, [&](const at::Tensor& t) { return borrowed.tensor(t); });
  }

  /// Result `r`, which is new and not an argument or a view of one.
  void add_result(size_t r, size_t place, const at::Tensor& t) {
    results_.push_back({r, place, const_cast<void*>(t.storage().data()), t.storage().nbytes()});
  }

  void operator()() const {
    Aliases aliases;
    torch::jit::Stack host;
    for (const c10::IValue& value : arguments_) host.push_back(host_value(value, aliases));
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &host);
    for (const Result& result : results_) {
      const c10::IValue& value = host[result.number];
      const at::Tensor t = value.isTensor() ? value.toTensor() : value.toTensorVector()[result.place];
      TORCH_INTERNAL_ASSERT(t.storage().nbytes() == result.bytes, "a replayed operator has another result");
      if (result.bytes > 0) std::memcpy(alias(result.to), t.storage().data(), result.bytes);
    }
  }

 private:
  struct Result {
    size_t number, place;  // place in a list
    void* to;
    size_t bytes;
  };
  c10::OperatorHandle op_;
  std::vector<c10::IValue> arguments_;
  std::vector<Result> results_;
};

/// Operators whose CUDA kernel makes the host wait for the device.
bool waits(const std::string& name, const c10::ArrayRef<c10::IValue>& arguments) {
  static const std::unordered_map<std::string, int> always{{"aten::nonzero", 0},
                                                           {"aten::nonzero.out", 0},
                                                           {"aten::masked_select", 0},
                                                           {"aten::masked_select.out", 0},
                                                           {"aten::_unique2", 0},
                                                           {"aten::unique_dim", 0},
                                                           {"aten::unique_consecutive", 0},
                                                           {"aten::equal", 0},
                                                           {"aten::bincount", 0}};
  if (always.count(name)) return true;
  if (name == "aten::repeat_interleave.Tensor") return arguments[1].isNone();  // output_size not given
  return false;
}

/// Operators whose CUDA kernel adds with atomics, in any order.
bool adds_in_any_order(const std::string& name) {
  static const std::unordered_map<std::string, int> names{{"aten::index_add.out", 0},
                                                          {"aten::index_add_", 0},
                                                          {"aten::scatter_add.out", 0},
                                                          {"aten::scatter_add_", 0},
                                                          {"aten::_index_put_impl_", 0},
                                                          {"aten::scatter_reduce.two_out", 0},
                                                          {"aten::put_", 0},
                                                          {"aten::embedding_dense_backward", 0}};
  return names.count(name) != 0;
}

void fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const std::string name =
      schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name());
  const auto known = operators_with_kernel().find(name);
  TORCH_CHECK_NOT_IMPLEMENTED(
      known != operators_with_kernel().end(), "Could not run '", name,
      "' with arguments from the 'CUDA' backend: LibTorch has no CUDA kernel for it (simulated)");
  const size_t count_of_arguments = schema.arguments().size();
  const std::vector<c10::IValue> arguments(stack->end() - static_cast<ptrdiff_t>(count_of_arguments),
                                           stack->end());
  stack->erase(stack->end() - static_cast<ptrdiff_t>(count_of_arguments), stack->end());

  std::optional<c10::Device> device;
  for (const c10::IValue& value : arguments)
    for_each_tensor(value, [&](const at::Tensor& t) {
      if (!t.defined() || !t.is_cuda()) return;
      TORCH_CHECK(!device || *device == t.device(), name,
                  ": Expected all tensors to be on the same device, but found ", *device, " and ",
                  t.device());
      device = t.device();
    });
  if (!device)
    for (const c10::IValue& value : arguments)
      if (value.isDevice()) device = value.toDevice();
  if (!device) device = c10::Device(c10::kCUDA, current);
  for (size_t i = 0; i < arguments.size(); ++i)
    for_each_tensor(arguments[i], [&](const at::Tensor& t) {
      // An operator made of a TensorIterator takes a scalar of the host for a number; no other does.
      TORCH_CHECK(!t.defined() || t.is_cuda() || (t.dim() == 0 && !known->second), name,
                  ": Expected all tensors to be on the same device, but argument ",
                  schema.arguments()[i].name(), " is on ", t.device(), " and others on ", *device);
    });

  count(Event::kOperator, name);
  for (const c10::IValue& value : arguments)
    for_each_tensor(value, [&](const at::Tensor& t) {
      if (t.defined() && t.is_cuda()) note_use(t.storage().data());
    });
  if (waits(name, arguments)) count(Event::kHostSync, name);
  if (adds_in_any_order(name)) count(Event::kNonDeterministic, name);

  Aliases aliases;
  torch::jit::Stack host;
  for (const c10::IValue& value : arguments) host.push_back(host_value(value, aliases));
  const std::vector<c10::IValue> host_arguments(host.begin(), host.end());
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &host);

  const auto is_written = [&](size_t i) {
    const auto* info = schema.arguments()[i].alias_info();
    return info != nullptr && info->isWrite();
  };
  for (size_t i = 0; i < arguments.size(); ++i)
    if (is_written(i) && arguments[i].isTensor())
      Aliases::write_back(arguments[i].toTensor(), host_arguments[i].toTensor());

  Graph* const graph = recording();
  std::optional<RecordedOperator> recorded;
  if (graph) recorded.emplace(op, arguments);
  const auto on_device = [&](size_t r, size_t place, const at::Tensor& result) {
    bool is_new = false;
    const at::Tensor t = aliases.device(result, *device, is_new);
    if (is_new && recorded) recorded->add_result(r, place, t);
    return t;
  };
  size_t written = 0;  // results that are arguments come in the order of the arguments
  for (size_t r = 0; r < schema.returns().size(); ++r) {
    const auto* info = schema.returns()[r].alias_info();
    if (info != nullptr && info->isWrite()) {
      while (!is_written(written)) ++written;
      stack->push_back(arguments[written++]);
    } else if (host[r].isTensor()) {
      stack->push_back(on_device(r, 0, host[r].toTensor()));
    } else if (host[r].isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& t : host[r].toTensorVector()) list.push_back(on_device(r, list.size(), t));
      stack->push_back(list);
    } else {
      stack->push_back(host[r]);
    }
  }
  if (graph) graph->launches.emplace_back(std::move(*recorded));
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(
      c10::Device(c10::kCUDA, device && device->has_index() ? device->index() : current));
  return at::detail::empty_generic(size, &allocator, c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(
      c10::Device(c10::kCUDA, device && device->has_index() ? device->index() : current));
  return at::detail::empty_strided_generic(
      size, stride, &allocator, c10::DispatchKeySet(c10::DispatchKey::CUDA), c10::dtype_or_default(type));
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  const auto bytes = static_cast<int64_t>(source.nbytes());
  if (source.is_cuda()) note_use(source.const_data_ptr());
  if (source.is_cuda() && self.is_cuda()) note_use(self.const_data_ptr());
  if (!self.is_cuda()) {
    count(Event::kDeviceToHost, non_blocking ? "copy_ non_blocking" : "copy_", bytes);
    if (!non_blocking) count(Event::kHostSync, "copy_ device to host", bytes);
  } else if (!source.is_cuda()) {
    // From pageable memory the copy waits for the stream, whatever was asked for.
    const bool waits = !non_blocking || !source.is_pinned();
    count(waits ? Event::kHostToDeviceBlocking : Event::kHostToDevice, "copy_", bytes);
    note_copy(self.const_data_ptr(), self.nbytes());  // the source may have another type
  } else {
    count(Event::kOperator, "aten::copy_");
  }
  Aliases aliases;
  const at::Tensor to = aliases.host(self), from = aliases.host(source);
  to.copy_(from);
  // Both lie where they lie; nothing else of them is kept.
  if (Graph* graph = recording()) graph->launches.emplace_back([to, from] { to.copy_(from); });
  return self;
}

at::Scalar local_scalar(const at::Tensor& self) {
  count(Event::kHostSync, "_local_scalar_dense");
  Aliases aliases;
  return at::_local_scalar_dense(aliases.host(self));
}

const at::Tensor& resize(const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat>) {
  Aliases aliases;
  const at::Tensor host = aliases.host(self);
  host.resize_(size);
  Aliases::write_back(self, host);
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage source, int64_t offset, at::IntArrayRef size,
                        at::IntArrayRef stride) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(source));
  self.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride, offset);
  return self;
}

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", at::native::as_strided_tensorimpl);
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("unfold", TORCH_FN(at::native::unfold));
  m.impl("copy_", copy);
  m.impl("_local_scalar_dense", local_scalar);
  m.impl("resize_", resize);
  m.impl("set_.source_Storage_storage_offset", set_storage);
}

}  // namespace

int current_device() { return current; }

// Named as LibTorch looks it up.
struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  void init() const override {}
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return kDevices; }
  int getNumGPUs() const override { return kDevices; }
  c10::DeviceIndex current_device() const override { return current; }
  c10::DeviceIndex getCurrentDevice() const override { return current; }
  void setCurrentDevice(c10::DeviceIndex i) const override { current = i; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex i) const override { return std::exchange(current, i); }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex i) const override { return exchangeDevice(i); }
  c10::Device getDeviceFromPtr(void* p) const override {
    return {c10::kCUDA, static_cast<c10::DeviceIndex>(device_of(p))};
  }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex = -1) const override {
    static const at::Generator one = at::make_generator<at::CPUGeneratorImpl>();
    return one;
  }
  bool isPinnedPtr(const void* p) const override { return is_pinned(p); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator; }
  void deviceSynchronize(c10::DeviceIndex) const override { count(Event::kHostSync, "deviceSynchronize"); }
};

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace gpu_sim
