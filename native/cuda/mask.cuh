// What kernels that drop are given of a SiteMask, of which each row makes its MaskStream.
#pragma once

#include "cuda/launch.h"
#include "layers/dropout.h"

namespace rat::cuda {

/// Null: nothing is dropped.
inline const StepScalars* scalars_of(const SiteMask& mask) {
  return mask.is_active() ? static_cast<const StepScalars*>(mask.scalars.const_data_ptr()) : nullptr;
}

inline const int32_t* ids(const at::Tensor& of_rows) { return of_rows.const_data_ptr<int32_t>(); }

/// A SiteMask as a kernel's parameter.
struct RowMasks {
  const int32_t *examples, *positions, *passes;
  const StepScalars* scalars;  // null: nothing is dropped
  DropoutKind kind;
  uint32_t site_and_layer;

  /// The simulated device has other addresses.
  template <typename Apply>
  void for_each_pointer(Apply apply) {
    apply(examples);
    apply(positions);
    apply(passes);
    apply(scalars);
  }

  /// Where there is a mask.
  __device__ MaskStream of(int64_t row) const {
    return mask_stream(*scalars, kind, site_and_layer, passes[row], examples[row]);
  }
};

inline RowMasks masks_of(const SiteMask& mask) {
  return {ids(mask.rows.example_ids),
          ids(mask.rows.positions),
          ids(mask.rows.passes),
          scalars_of(mask),
          mask.kind,
          mask.site_and_layer};
}

}  // namespace rat::cuda
