#include "objective/perturbation.h"

#include <ATen/ATen.h>

#include "core/kernels.h"

namespace rat {

void add_token_gradients(const at::Tensor& drows, const BatchVocabulary& vocabulary, int64_t copies,
                         at::Tensor& sums) {
  kernels::add_segments.on(sums.device())(drows.contiguous(), vocabulary.by_slot, copies, sums);
}

at::Tensor gradient_norm(const at::Tensor& sums) {
  return at::linalg_vector_norm(sums.narrow(0, 0, sums.size(0) - 1), 2, {}, false, at::kDouble);
}

Perturbation perturbation(const at::Tensor& sums, const at::Tensor& norm,
                          const std::vector<double>& epsilon) {
  // In double: a tiny gradient's scale is beyond the range of a float, its product with the gradient is not.
  const at::Tensor direction =
      at::where(at::isfinite(norm).logical_and(norm > 0), sums.to(at::kDouble) / norm, 0.0);
  Perturbation delta;
  std::vector<at::Tensor> forwards;
  for (const double radius : epsilon) forwards.push_back((direction * radius).to(sums.scalar_type()));
  delta.rows = at::stack(forwards);
  delta.norms = at::linalg_vector_norm(delta.rows, 2, at::IntArrayRef{1, 2}, false, at::kDouble);
  return delta;
}

at::Tensor perturbed_rows(const at::Tensor& rows, const Perturbation& delta,
                          const BatchVocabulary& vocabulary) {
  const int64_t forwards = delta.rows.size(0), tokens = rows.size(0);
  at::Tensor out = at::empty({forwards * tokens, rows.size(1)}, rows.options());
  for (int64_t k = 0; k < forwards; ++k) {
    at::Tensor copy = out.narrow(0, k * tokens, tokens);
    at::index_select_out(copy, delta.rows[k], 0, vocabulary.slots_index);
    copy.add_(rows);
  }
  return out;
}

}  // namespace rat
