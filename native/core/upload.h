// Arrays of the host that go to a device together: one buffer, one copy. On a GPU the buffer is pinned, so
// that the host does not wait for the copy; LibTorch keeps it until the copy is done.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

namespace rat {

class Upload {
 public:
  /// `target` becomes `[count]` of T on the device when the upload is sent, as `fill(T*)` writes it into the
  /// buffer then; until then `target` and what `fill` refers to must stay where they are.
  template <typename T, typename Fill>
    requires std::is_invocable_v<Fill, T*>
  void add(size_t count, at::Tensor& target, Fill fill) {
    reserve(count * sizeof(T), c10::CppTypeToScalarType<T>::value, target,
            [fill = std::move(fill)](std::byte* to) { fill(reinterpret_cast<T*>(to)); });
  }

  /// The same from values that stay where they are, as T.
  template <typename T, typename Value>
  void add(const std::vector<Value>& values, at::Tensor& target) {
    add<T>(values.size(), target, [&values](T* to) { std::copy(values.begin(), values.end(), to); });
  }

  /// The same from temporary values.
  template <typename T>
  void add(std::vector<T>&& values, at::Tensor& target) {
    const size_t count = values.size();
    add<T>(count, target,
           [values = std::move(values)](T* to) { std::copy(values.begin(), values.end(), to); });
  }

  /// Sends all that was added, once, to `memory`, which is made if it is undefined, and returned. Arrays begin at multiples of
  /// 64 bytes.
  at::Tensor send(at::Device device, at::Tensor memory = {});

 private:
  using Fill = std::function<void(std::byte*)>;
  struct Array {
    size_t begin, bytes;
    at::ScalarType type;
    std::reference_wrapper<at::Tensor> target;
    Fill fill;
  };

  void reserve(size_t bytes, at::ScalarType type, at::Tensor& target, Fill fill);

  size_t bytes_ = 0;
  std::vector<Array> arrays_;
};

}  // namespace rat
