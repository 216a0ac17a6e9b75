#include "objective/perturbation.h"

#include <ATen/Parallel.h>

#include <cmath>

#ifdef RAT_CUDA
#include "cuda/perturbation.h"
#endif

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

template <typename scalar_t>
void perturbed_rows_cpu(const at::Tensor& rows, const at::Tensor& gradient, const BatchVocabulary& vocabulary,
                        const std::vector<double>& scales, at::Tensor& out) {
  const int64_t tokens = rows.size(0), width = rows.size(1);
  const auto* row = rows.const_data_ptr<scalar_t>();
  const auto* g = gradient.const_data_ptr<scalar_t>();
  auto* result = out.data_ptr<scalar_t>();
  at::parallel_for(0, static_cast<int64_t>(scales.size()) * tokens, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = i % tokens;
      const int64_t slot = vocabulary.slots[static_cast<size_t>(t)];
      // In double: a tiny gradient's scale is beyond the range of a float, its product with the gradient is
      // not.
      const double scale = slot < vocabulary.size() ? scales[static_cast<size_t>(i / tokens)] : 0;
      for (int64_t d = 0; d < width; ++d)
        result[i * width + d] = row[t * width + d] + static_cast<scalar_t>(scale * g[slot * width + d]);
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

at::Tensor perturbed_rows(const at::Tensor& rows, const at::Tensor& gradient, const at::Tensor& norm,
                          const BatchVocabulary& vocabulary, const std::vector<double>& epsilon) {
  at::Tensor out =
      at::empty({static_cast<int64_t>(epsilon.size()) * rows.size(0), rows.size(1)}, rows.options());
#ifdef RAT_CUDA
  if (rows.is_cuda()) {
    cuda::perturbed_rows(rows, gradient, norm, vocabulary.slots_index, epsilon, out);
    return out;
  }
#endif
  const double length = norm.item<double>();
  std::vector<double> scales;
  for (const double radius : epsilon)
    scales.push_back(std::isfinite(length) && length > 0 ? radius / length : 0);
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "perturbed_rows",
                             [&] { perturbed_rows_cpu<scalar_t>(rows, gradient, vocabulary, scales, out); });
  return out;
}

}  // namespace rat
