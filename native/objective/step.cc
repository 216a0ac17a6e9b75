#include "objective/step.h"

#include <algorithm>

#include "core/check.h"

namespace rat {
namespace {

void throw_if_cancelled(const StepContext& context) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed))
    fail("ERR_RAT_ABORTED", "The operation was aborted");
}

}  // namespace

Step::Step(const std::vector<std::unique_ptr<Model>>& models, const DeviceStep& batches,
           const std::vector<ForwardLayout>& forwards, const LossOptions& loss, const Normaliser& normaliser,
           const StepContext& context)
    : models_(models),
      batches_(batches),
      forwards_(forwards),
      loss_(loss),
      normaliser_(normaliser),
      context_(context),
      embedding_gradient_(no_gradient()) {}

at::Tensor Step::no_gradient() const {
  const at::Tensor& matrix = word_embedding();
  return at::zeros({batches_.vocabulary().size + 1, matrix.size(1)}, matrix.options());
}

at::Tensor Step::embedded(size_t batch, const Pass& pass) const {
  if (pass.delta) return embedded_rows(word_embedding(), *pass.delta, batches_, batch);
  return embedded_rows(word_embedding(), batches_.batches()[batch], forwards_[pass.forward].copies());
}

/// Between `logits` `[B, C]` and what the averaged weights say of the batch.
ForwardLosses Step::bregman_losses(const at::Tensor& logits, size_t batch, const Pass& pass) const {
  const at::NoGradGuard no_grad;
  const Model& average = *context_.average;
  const DeviceBatch& rows = batches_.batches()[batch];
  const at::Tensor x = embedded_rows(average.word_embedding(), rows, 1);
  const at::Tensor anchor = average.logits(x, rows.rows(pass.bregman_forward), Dropout{});
  LossOptions options = loss_;
  options.kl_weight = pass.bregman_weight;
  return forward_losses(at::cat({logits, anchor}), rows.labels(), 2, options, normaliser_,
                        {.both = pass.weight, .supervised_forwards = 0});
}

/// What one lane has summed up in a pass.
struct Step::Lane {
  const Model& model;
  at::Tensor kept;   // to be added to the step's embedding gradient; undefined if the pass keeps none
  at::Tensor slope;  // of this pass alone, of scope matrix; may be `kept`
};

struct Step::BatchResult {
  at::Tensor losses;  // as ForwardLosses::values
  at::Tensor bregman;
  at::Tensor slope;  // of scope example
};

Step::BatchResult Step::run_batch(size_t m, const Pass& pass, const Dropout& dropout, Lane& lane) const {
  throw_if_cancelled(context_);
  const DeviceBatch& batch = batches_.batches()[m];
  const int64_t copies = forwards_[pass.forward].copies();
  BatchResult result;
  const Forward forward = lane.model.forward(embedded(m, pass), batch.rows(pass.forward), dropout);
  const ForwardLosses losses = forward_losses(forward.logits, batch.labels(), copies, loss_, normaliser_,
                                              {pass.weight, pass.supervised_forwards});
  result.losses = losses.values;
  if (pass.bregman_weight > 0) {
    const int64_t examples = batch.examples();
    const ForwardLosses bregman = bregman_losses(forward.logits.detach().narrow(0, 0, examples), m, pass);
    losses.dlogits.narrow(0, 0, examples).add_(bregman.dlogits.narrow(0, 0, examples));
    result.bregman = bregman.values[1];
  }
  const at::Tensor drows = forward.backward(losses.dlogits, pass.keeps_parameters);
  if (lane.kept.defined()) add_token_gradients(drows, batch.slots(), copies, lane.kept);
  const auto of_last_copy = [&] {
    const int64_t tokens = batch.tokens().size(0);
    return drows.narrow(0, (copies - 1) * tokens, tokens);
  };
  if (lane.slope.defined() && !lane.slope.is_same(lane.kept))
    add_token_gradients(of_last_copy(), batch.slots(), 1, lane.slope);
  if (pass.slope == Scope::kExample) {
    result.slope = of_last_copy();
    spare_tokens(Scope::kExample, result.slope, batches_, m);
  }
  return result;
}

PassResult Step::run(const Pass& pass) {
  const ForwardLayout& layout = forwards_[pass.forward];
  const Dropout dropout(batches_.scalars(), batches_.device_scalars(), layout.first_pass, layout.copies());
  const size_t count = batches_.batches().size();
  std::vector<Lane> lanes;
  for (size_t l = 0; l < std::min(models_.size(), count); ++l) {
    Lane& lane = lanes.emplace_back(Lane{*models_[l], {}, {}});
    if (pass.keeps_parameters) lane.kept = l == 0 ? embedding_gradient_ : no_gradient();
    // The first pass that is kept, if it has one copy, begins the sum of all.
    if (pass.slope == Scope::kMatrix)
      lane.slope = pass.keeps_parameters && !has_kept_ && layout.copies() == 1 ? lane.kept : no_gradient();
  }
  std::vector<BatchResult> of_batches(count);
  context_.lanes->run(static_cast<int64_t>(lanes.size()), [&](int64_t l) {
    for (auto m = static_cast<size_t>(l); m < count; m += lanes.size())
      of_batches[m] = run_batch(m, pass, dropout, lanes[static_cast<size_t>(l)]);
  });
  has_kept_ |= pass.keeps_parameters;

  const Lane& first = lanes.front();
  for (size_t l = 1; l < lanes.size(); ++l) {
    if (first.kept.defined()) first.kept.add_(lanes[l].kept);
    if (first.slope.defined() && !first.slope.is_same(first.kept)) first.slope.add_(lanes[l].slope);
  }
  PassResult result;
  at::Tensor losses;
  for (const BatchResult& batch : of_batches) {
    losses = losses.defined() ? losses.add_(batch.losses) : batch.losses;
    if (batch.bregman.defined())
      result.bregman = result.bregman.defined() ? result.bregman.add_(batch.bregman) : batch.bregman;
    if (batch.slope.defined()) result.slope.push_back(batch.slope);
  }
  if (at::Tensor alone = first.slope; alone.defined()) {
    const bool is_spared = batches_.vocabulary().spared.defined();
    if (alone.is_same(embedding_gradient_) && (context_.reduction || is_spared)) alone = alone.clone();
    if (context_.reduction) context_.reduction->sum({alone});
    spare_tokens(Scope::kMatrix, alone, batches_, 0);
    result.slope = {alone};
  }
  result.supervised = losses[0];
  result.consistency = losses[1];
  return result;
}

}  // namespace rat
