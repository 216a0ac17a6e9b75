// Rows of the word embeddings that a step does not have are updated when they are needed next.
//
// AdamW moves every weight in every step, by its moments and by decay, and most of a vocabulary is in no batch: half of MiniLM's
// optimizer traffic. An update without a gradient depends on nothing but the step's numbers, so these are kept, and made up for
// row by row, in the processor's nearest memory. To the bit what an update of the whole matrix gives.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/lanes.h"
#include "optim/adamw_update.h"

namespace rat {

class LateRows {
 public:
  /// Of a matrix `[V, D]`, all of whose rows are up to date.
  explicit LateRows(AdamWTensors matrix);

  /// Before a step reads rows `[N]` (int64, each once).
  void catch_up(const at::Tensor& rows, Lanes& lanes);
  /// Before anything else does: every row.
  void catch_up(Lanes& lanes);

  /// One step, of `rows`, with their gradients `[N, D]`; they were caught up before it. The others are late. What may fail does
  /// so before anything is changed.
  void update(const at::Tensor& rows, const at::Tensor& gradients, const AdamWNumbers& numbers, Lanes& lanes);

 private:
  void catch_up(int64_t row);

  AdamWTensors matrix_;
  int64_t width_;
  std::vector<AdamWNumbers> missed_;  // the steps since all rows were up to date
  std::vector<uint32_t> made_;        // of those, by each row
};

}  // namespace rat
