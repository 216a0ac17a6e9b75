// The values that a new model begins with.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/random.h"

namespace rat {

/// Draws initial values from the initialisation stream of a seed. Each tensor has its own part of the stream,
/// in the order of the model's parameters; values do not depend on precision, device or thread count.
class Initializer {
 public:
  Initializer(uint64_t seed, at::ScalarType type, at::Device device);
  at::Tensor normal(at::IntArrayRef shape, double standard_deviation);
  /// Uniform in [-bound, bound).
  at::Tensor uniform(at::IntArrayRef shape, double bound);
  /// Takes no part of the stream.
  at::Tensor constant(at::IntArrayRef shape, double value);
  /// Of the shape of `tensor`, in another type, whatever it holds.
  at::Tensor like(const at::Tensor& tensor, at::ScalarType type);
  /// Zeros in place of a tensor that will be loaded; the next one's part of the stream does not move.
  at::Tensor skip(at::IntArrayRef shape);

  /// From here on the same tensors once more, in the same order: others in the same memory, with gradients of their
  /// own.
  void repeat();

 private:
  template <typename Draw>
  at::Tensor fill(at::IntArrayRef shape, Draw draw);
  template <typename Make>
  at::Tensor next(Make make);

  PhiloxKey key_;
  at::ScalarType type_;
  at::Device device_;
  uint32_t next_tensor_ = 0;
  std::vector<at::Tensor> made_;
  size_t next_repeated_ = 0;
  bool repeats_ = false;
};

}  // namespace rat
