#include "objective/perturbation.h"

#include <ATen/ATen.h>

#include <cstddef>

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

Perturbation zero_perturbation(Scope scope, const DeviceStep& step, const at::TensorOptions& like,
                               int64_t width) {
  Perturbation delta{.scope = scope};
  if (scope == Scope::kMatrix)
    delta.values.push_back(at::zeros({1, step.vocabulary().size + 1, width}, like));
  if (scope == Scope::kExample)
    for (const DeviceBatch& batch : step.batches())
      delta.values.push_back(at::zeros({1, batch.tokens().size(0), width}, like));
  delta.norm = at::zeros({}, like.dtype(at::kDouble));
  delta.skipped = at::zeros_like(delta.norm);
  return delta;
}

namespace {

/// 0-dimensional double: U without filler.
at::Tensor distinct_tokens(const DeviceStep& step) {
  return step.scalar(offsetof(StepScalars, distinct_tokens), at::kDouble);
}

/// `[T, D]`, or `[U + 1, D]`, of one place, in double.
at::Tensor noise_at(Scope scope, Noise noise, const DeviceStep& step, size_t place, int64_t width) {
  if (scope == Scope::kMatrix) {
    const at::Tensor ids = step.vocabulary().distinct_index.to(at::kInt);
    at::Tensor rows =
        kernels::noise.on(ids.device())(ids, at::zeros_like(ids), width, step.device_scalars(), noise);
    if (step.vocabulary().has_filler)
      rows.masked_fill_((at::arange(ids.size(0), rows.options()) >= distinct_tokens(step)).unsqueeze(1), 0);
    return at::cat({rows, at::zeros({1, width}, rows.options())});
  }
  const DeviceBatch& batch = step.batches()[place];
  const MaskRows& all = batch.rows(0).token_rows;
  const int64_t tokens = batch.tokens().size(0);
  return kernels::noise.on(batch.tokens().device())(all.example_ids.narrow(0, 0, tokens),
                                                    all.positions.narrow(0, 0, tokens), width,
                                                    step.device_scalars(), noise);
}

/// How many numbers the norm of one place is over, so that it broadcasts to them.
at::Tensor numbers_in(Scope scope, const DeviceStep& step, size_t place, int64_t width) {
  if (scope == Scope::kMatrix) return (distinct_tokens(step) * static_cast<double>(width)).view({1, 1});
  const DeviceBatch& batch = step.batches()[place];
  const at::Tensor lengths = at::diff(batch.by_example().starts).to(at::kDouble) * static_cast<double>(width);
  return lengths.index_select(0, batch.example_of_token()).unsqueeze(1);
}

/// One of each place; `scale` gives what its noise is multiplied with.
template <typename Scale>
Perturbation random_perturbation(Scope scope, Noise noise, const DeviceStep& step,
                                 const at::TensorOptions& like, int64_t width, Scale scale) {
  Perturbation delta{.scope = scope};
  std::vector<at::Tensor> norms;
  const size_t places = scope == Scope::kMatrix ? 1 : step.batches().size();
  for (size_t place = 0; place < places; ++place) {
    at::Tensor value = (noise_at(scope, noise, step, place, width) * scale(place)).to(like);
    spare_tokens(scope, value, step, place);
    norms.push_back(norms_of(scope, value, step, place).each);
    delta.values.push_back(value.unsqueeze(0));
  }
  delta.norm = at::cat(norms).mean();
  delta.skipped = at::zeros_like(delta.norm);
  return delta;
}

}  // namespace

Perturbation random_start(Scope scope, Noise noise, double radius, const DeviceStep& step,
                          const at::TensorOptions& like, int64_t width) {
  return random_perturbation(scope, noise, step, like, width, [&](size_t place) {
    return numbers_in(scope, step, place, width).rsqrt() * radius;
  });
}

Perturbation random_noise(Noise noise, double scale, const DeviceStep& step, const at::TensorOptions& like,
                          int64_t width) {
  return random_perturbation(Scope::kExample, noise, step, like, width, [&](size_t) { return scale; });
}

Perturbation beside_clean(const Perturbation& delta) {
  Perturbation both = delta;
  for (at::Tensor& value : both.values) value = at::cat({at::zeros_like(value), value});
  return both;
}

void spare_tokens(Scope scope, at::Tensor& x, const DeviceStep& step, size_t place) {
  const at::Tensor& spared =
      scope == Scope::kMatrix ? step.vocabulary().spared : step.batches()[place].spared();
  if (spared.defined()) x.index_fill_(0, spared, 0);
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
