// The norm of all gradients together.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/lanes.h"

namespace rat {

/// The root of the sum of all squares of contiguous tensors, in double, 0-dimensional. On the CPU the lanes share the numbers, and the result is the
/// same for any number of them.
at::Tensor global_norm(const std::vector<at::Tensor>& gradients, Lanes& lanes);

}  // namespace rat
