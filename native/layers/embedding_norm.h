// What a Transformer begins with, in one operator: word, position and token type embeddings, LayerNorm, dropout.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/device_batch.h"
#include "layers/add_norm.h"
#include "layers/dropout.h"

namespace rat {

/// What is added to the rows of a forward, row by row of tables; it outlives the operator's backward pass.
struct AddedRows {
  at::Tensor positions;        // [P, D]
  int64_t first_position = 0;  // the table's row for position 0
  at::Tensor token_types;      // [types, D]; undefined: none are added
};

/// dropout(norm(x + position rows + token type rows)). x and the result `[tokens, D]`. Differentiable.
at::Tensor embedding_norm(const at::Tensor& x, const AddedRows& added, const ForwardRows& rows,
                          const LayerNorm& norm, const Dropout& settings);

}  // namespace rat
