#include "objective/perturbation.h"

#include <ATen/ATen.h>

#include <cstddef>

#include "core/kernels.h"

namespace rat {
namespace {

RowGroups groups_of(Scope scope, const DeviceStep& step, size_t place) {
  if (scope == Scope::kMatrix) return {.rows = step.vocabulary().size};
  const DeviceBatch& batch = step.batches()[place];
  return {.starts = batch.by_example().starts, .count = batch.examples()};
}

/// One of each place; `perturb` gives what its kernel does.
template <typename Perturb>
Perturbation of_places(Scope scope, const std::vector<at::Tensor>& gradients, const DeviceStep& step,
                       Perturb perturb) {
  Perturbation delta{.scope = scope};
  std::vector<at::Tensor> norms, unusable;
  for (size_t place = 0; place < gradients.size(); ++place) {
    Perturbed one = perturb(place, groups_of(scope, step, place));
    delta.values.push_back(std::move(one.values));
    norms.push_back(std::move(one.norms));
    unusable.push_back(std::move(one.unusable));
  }
  delta.norm = at::cat(norms).mean();
  delta.skipped = at::cat(unusable).sum();
  return delta;
}

}  // namespace

void add_token_gradients(const at::Tensor& drows, const TokenSlots& slots, int64_t copies, at::Tensor& sums) {
  kernels::add_segments.on(sums.device())(drows.contiguous(), slots.by_slot, copies, sums);
}

Perturbation perturbation(Scope scope, const std::vector<at::Tensor>& gradients, const DeviceStep& step,
                          const std::vector<double>& epsilon) {
  return of_places(scope, gradients, step, [&](size_t place, const RowGroups& groups) {
    const at::Tensor& gradient = gradients[place];
    return kernels::perturb.on(gradient.device())(gradient.contiguous(), groups, epsilon);
  });
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
    norms.push_back(kernels::group_norms.on(value.device())(value, groups_of(scope, step, place)));
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
  Perturbation next = of_places(delta.scope, gradients, step, [&](size_t place, const RowGroups& groups) {
    const at::Tensor& gradient = gradients[place];
    return kernels::ascend.on(gradient.device())(delta.values[place][0], gradient.contiguous(), groups,
                                                 step_size, radius);
  });
  next.skipped.add_(delta.skipped);
  return next;
}

at::Tensor embedded_rows(const at::Tensor& matrix, const DeviceBatch& batch, int64_t copies) {
  return kernels::embed.on(matrix.device())(matrix, batch.tokens(), copies, {}, {});
}

at::Tensor embedded_rows(const at::Tensor& matrix, const Perturbation& delta, const DeviceStep& step,
                         size_t batch) {
  const DeviceBatch& rows = step.batches()[batch];
  const bool is_of_matrix = delta.scope == Scope::kMatrix;
  const at::Tensor& values = delta.values[is_of_matrix ? 0 : batch];
  return kernels::embed.on(matrix.device())(matrix, rows.tokens(), values.size(0), values.contiguous(),
                                            is_of_matrix ? rows.slots().index : at::Tensor());
}

}  // namespace rat
