// Arrays of the host that go to a device together: one buffer, one copy. On a GPU the buffer is pinned, so
// that the host does not wait for the copy; LibTorch keeps it until the copy is done.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace rat {

class Upload {
 public:
  /// `target` becomes `[values]` of T on the device when the upload is sent; until then it must stay where it
  /// is.
  template <typename T>
  void add(const std::vector<T>& values, at::Tensor& target);

  /// Sends all that was added, once. Arrays begin at multiples of 64 bytes.
  void send(at::Device device);

 private:
  struct Array {
    size_t begin, bytes;
    at::ScalarType type;
    std::reference_wrapper<at::Tensor> target;
  };
  std::vector<std::byte> bytes_;
  std::vector<Array> arrays_;
};

}  // namespace rat
