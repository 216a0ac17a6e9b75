// What stands between two parts of a Transformer's layer, in one operator: dropout, the residual, LayerNorm.
#pragma once

#include <ATen/ATen.h>

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

/// The mask of an operator that applies it on the way.
struct SiteMask {
  MaskRows rows;
  at::Tensor scalars;  // as Dropout::scalars; undefined: nothing is dropped
  DropoutKind kind;
  uint32_t site_and_layer;
};

}  // namespace rat
