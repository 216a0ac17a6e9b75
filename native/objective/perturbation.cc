#include "objective/perturbation.h"

#include <ATen/Parallel.h>

namespace rat {
namespace {

template <typename scalar_t>
void add_token_gradients_cpu(const at::Tensor& drows, const BatchVocabulary& vocabulary, int64_t copies,
                             at::Tensor& sums) {
  const int64_t width = drows.size(1);
  const auto tokens = static_cast<int64_t>(vocabulary.slots.size());
  const auto* gradient = drows.const_data_ptr<scalar_t>();
  auto* out = sums.data_ptr<scalar_t>();
  // A slot belongs to one task and its rows are added in their order: no locks, the same bits with any thread
  // count.
  at::parallel_for(0, vocabulary.size(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      scalar_t* sum = out + slot * width;
      for (int64_t copy = 0; copy < copies; ++copy)
        for (int32_t i = vocabulary.slot_starts[slot]; i < vocabulary.slot_starts[slot + 1]; ++i) {
          const scalar_t* row = gradient + (copy * tokens + vocabulary.positions[i]) * width;
          for (int64_t d = 0; d < width; ++d) sum[d] += row[d];
        }
    }
  });
}

}  // namespace

void add_token_gradients(const at::Tensor& drows, const BatchVocabulary& vocabulary, int64_t copies,
                         at::Tensor& sums) {
  const at::Tensor gradient = drows.contiguous();
  if (!gradient.device().is_cpu()) {
    for (int64_t copy = 0; copy < copies; ++copy) {
      const auto tokens = static_cast<int64_t>(vocabulary.slots.size());
      sums.index_add_(0, vocabulary.slots_index, gradient.narrow(0, copy * tokens, tokens));
    }
    sums.select(0, vocabulary.size()).zero_();
    return;
  }
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "add_token_gradients",
                             [&] { add_token_gradients_cpu<scalar_t>(gradient, vocabulary, copies, sums); });
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
