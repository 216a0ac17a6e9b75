// What stands between two parts of a Transformer's layer, in one operator: dropout, the residual, LayerNorm.
#pragma once

#include <ATen/ATen.h>
#include <c10/util/BFloat16.h>

#include <utility>

#include "core/check.h"
#include "layers/dropout.h"

namespace rat {

/// LayerNorm (Ba et al., 2016) over the last dimension.
struct LayerNorm {
  at::Tensor weight, bias;  // [D]
  double eps = 1e-5;
};

/// norm(residual + dropout(x)). x `[rows, D]`, in any type; residual `[rows, D]` and the result in the weights'. `rows` and
/// `site` as for `dropout`. Differentiable.
at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const LayerNorm& norm,
                    const MaskRows& rows, const Dropout& settings, DropoutSite site, uint32_t layer);

/// Gradients of x and of the residual, to be written: one tensor where they are the same.
std::pair<at::Tensor, at::Tensor> empty_gradients(const at::Tensor& sum, at::ScalarType type,
                                                  const SiteMask& mask);

/// Calls `run(element, number)` for the types of x and of the residual.
template <typename Run>
void with_norm_types(at::ScalarType x, at::ScalarType residual, Run run) {
  if (x == at::kFloat && residual == at::kFloat) return run(float{}, float{});
  if (x == at::kBFloat16 && residual == at::kFloat) return run(c10::BFloat16{}, float{});
  if (x == at::kDouble && residual == at::kDouble) return run(double{}, double{});
  fail("ERR_RAT_INTERNAL", "add_norm has no kernel for these types");
}

}  // namespace rat
