// CUDA side of objective/perturbation.h.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace rat::cuda {

/// out `[copies * T, D]` = row + epsilon[copy] * gradient[slot] / norm. The norm is read on the device: no
/// host waits.
void perturbed_rows(const at::Tensor& rows, const at::Tensor& gradient, const at::Tensor& norm,
                    const at::Tensor& slots, const std::vector<double>& epsilon, at::Tensor& out);

}  // namespace rat::cuda
