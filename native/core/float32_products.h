// How a GPU multiplies matrices of float.
#pragma once

#include <ATen/core/Tensor.h>

namespace rat {

/// LibTorch has one choice for a whole process, so that all trainers of float on GPUs make the same while they live.
class Float32Products {
 public:
  /// `tf32`: with 10 bits of mantissa, on tensor cores. ERR_RAT_CONFIG if it cannot be had, or a trainer lives that has chosen
  /// otherwise.
  Float32Products(at::Device device, at::ScalarType type, bool tf32);
  ~Float32Products();
  Float32Products(const Float32Products&) = delete;
  Float32Products& operator=(const Float32Products&) = delete;

 private:
  bool counts_;
};

}  // namespace rat
