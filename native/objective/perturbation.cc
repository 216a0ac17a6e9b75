#include "objective/perturbation.h"

#include <ATen/ATen.h>

#include "core/kernels.h"

namespace rat {
namespace {

/// L2 norms in double of what stands in one place of Perturbation::values, without the K.
struct Norms {
  at::Tensor each;    // kMatrix: [1]; kExample: [B]
  at::Tensor beside;  // the same, so that it broadcasts to what it is the norm of
};

Norms norms_of(Scope scope, const at::Tensor& x, const DeviceStep& step, size_t place) {
  if (scope == Scope::kMatrix) {
    const at::Tensor rows = x.narrow(0, 0, step.vocabulary().size);
    const at::Tensor norm = at::linalg_vector_norm(rows, 2, {}, false, at::kDouble).view({1});
    return {norm, norm};
  }
  const DeviceBatch& batch = step.batches()[place];
  const at::Tensor squares = x.to(at::kDouble).square().sum({1}, /*keepdim=*/true);
  at::Tensor sums = at::zeros({batch.examples(), 1}, squares.options());
  kernels::add_segments.on(x.device())(squares, batch.by_example(), 1, sums);
  const at::Tensor norms = sums.sqrt();
  return {norms.view({-1}), norms.index_select(0, batch.example_of_token())};
}

at::Tensor is_usable(const at::Tensor& norm) { return at::isfinite(norm).logical_and(norm > 0); }

/// x / ||x||_2 in double: a tiny gradient's scale is beyond the range of a float, its product with the gradient is
/// not. Zero where the norm cannot be used.
at::Tensor direction(const at::Tensor& x, const Norms& norms) {
  return at::where(is_usable(norms.beside), x.to(at::kDouble) / norms.beside, 0.0);
}

at::Tensor count_of_unusable(const std::vector<at::Tensor>& norms) {
  return is_usable(at::cat(norms)).logical_not().sum(at::kDouble);
}

}  // namespace

void add_token_gradients(const at::Tensor& drows, const TokenSlots& slots, int64_t copies, at::Tensor& sums) {
  kernels::add_segments.on(sums.device())(drows.contiguous(), slots.by_slot, copies, sums);
}

Perturbation perturbation(Scope scope, const std::vector<at::Tensor>& gradients, const DeviceStep& step,
                          const std::vector<double>& epsilon) {
  Perturbation delta{.scope = scope};
  std::vector<at::Tensor> of_gradients, of_deltas;
  for (size_t place = 0; place < gradients.size(); ++place) {
    const at::Tensor& gradient = gradients[place];
    const Norms norms = norms_of(scope, gradient, step, place);
    of_gradients.push_back(norms.each);
    const at::Tensor unit = direction(gradient, norms);
    std::vector<at::Tensor> forwards;
    for (const double radius : epsilon) {
      forwards.push_back((unit * radius).to(gradient.scalar_type()));
      // Measured on what is added.
      of_deltas.push_back(norms_of(scope, forwards.back(), step, place).each);
    }
    delta.values.push_back(at::stack(forwards));
  }
  delta.norm = at::cat(of_deltas).mean();
  delta.skipped = count_of_unusable(of_gradients);
  return delta;
}

Perturbation zero_perturbation(Scope scope, const std::vector<at::Tensor>& gradients) {
  Perturbation delta{.scope = scope};
  for (const at::Tensor& gradient : gradients) delta.values.push_back(at::zeros_like(gradient).unsqueeze(0));
  delta.norm = at::zeros({}, gradients[0].options().dtype(at::kDouble));
  delta.skipped = at::zeros_like(delta.norm);
  return delta;
}

Perturbation ascended(const Perturbation& delta, const std::vector<at::Tensor>& gradients,
                      const DeviceStep& step, double step_size, double radius) {
  Perturbation next{.scope = delta.scope};
  std::vector<at::Tensor> of_gradients, of_deltas;
  for (size_t place = 0; place < gradients.size(); ++place) {
    const at::Tensor& gradient = gradients[place];
    const Norms slope = norms_of(delta.scope, gradient, step, place);
    of_gradients.push_back(slope.each);
    const at::Tensor moved = delta.values[place][0].to(at::kDouble) + direction(gradient, slope) * step_size;
    const Norms length = norms_of(delta.scope, moved, step, place);
    const at::Tensor inside = moved * (radius / length.beside).clamp_max(1.0).nan_to_num(1.0);
    const at::Tensor value = inside.to(gradient.scalar_type());
    of_deltas.push_back(norms_of(delta.scope, value, step, place).each);
    next.values.push_back(value.unsqueeze(0));
  }
  next.norm = at::cat(of_deltas).mean();
  next.skipped = delta.skipped + count_of_unusable(of_gradients);
  return next;
}

at::Tensor perturbed_rows(const at::Tensor& rows, const Perturbation& delta, const DeviceStep& step,
                          size_t batch) {
  const int64_t tokens = rows.size(0), width = rows.size(1);
  if (delta.scope == Scope::kExample) return delta.values[batch].add(rows).view({-1, width});
  const at::Tensor& of_rows = delta.values[0];
  const int64_t forwards = of_rows.size(0);
  at::Tensor out = at::empty({forwards * tokens, width}, rows.options());
  for (int64_t k = 0; k < forwards; ++k) {
    at::Tensor copy = out.narrow(0, k * tokens, tokens);
    at::index_select_out(copy, of_rows[k], 0, step.batches()[batch].slots().index);
    copy.add_(rows);
  }
  return out;
}

}  // namespace rat
