// What kernels that drop are given: the parts of a SiteMask, of which each row makes its MaskStream.
#pragma once

#include "cuda/launch.h"
#include "layers/dropout.h"

namespace rat::cuda {

/// Null: nothing is dropped.
inline const StepScalars* scalars_of(const SiteMask& mask) {
  return mask.is_active() ? static_cast<const StepScalars*>(mask.scalars.const_data_ptr()) : nullptr;
}

inline const int32_t* ids(const at::Tensor& of_rows) { return of_rows.const_data_ptr<int32_t>(); }

}  // namespace rat::cuda
