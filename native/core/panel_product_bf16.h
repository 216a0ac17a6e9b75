// As core/panel_product.h in bf16, for processors that multiply pairs of such numbers and add them up in float (AVX512_BF16). Those
// that multiply whole tiles of them (AMX) are left to oneDNN, which does.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace rat {

bool has_bf16_panels();

/// Of x and weight in bf16; `bias` in bf16 or float; the result in bf16, rounded once, or in float.
at::Tensor bf16_panel_product(const at::Tensor& x, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, at::ScalarType result);

/// Added to a sum in float.
void add_bf16_panel_product(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight);

}  // namespace rat
