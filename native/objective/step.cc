#include "objective/step.h"

#include "core/check.h"

namespace rat {
namespace {

void throw_if_cancelled(const StepContext& context) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed))
    fail("ERR_RAT_ABORTED", "The operation was aborted");
}

}  // namespace

Step::Step(const Model& model, const DeviceStep& batches, const std::vector<ForwardLayout>& forwards,
           const LossOptions& loss, const Normaliser& normaliser, const StepContext& context)
    : model_(model),
      batches_(batches),
      forwards_(forwards),
      loss_(loss),
      normaliser_(normaliser),
      context_(context),
      embedding_gradient_(no_gradient()) {}

at::Tensor Step::no_gradient() const {
  const at::Tensor& matrix = model_.word_embedding();
  return at::zeros({batches_.vocabulary().size + 1, matrix.size(1)}, matrix.options());
}

at::Tensor Step::embedded(size_t batch, const Pass& pass) const {
  const at::Tensor rows = model_.word_embedding().index_select(0, batches_.batches()[batch].tokens());
  if (pass.delta) return perturbed_rows(rows, *pass.delta, batches_, batch);
  const int64_t copies = forwards_[pass.forward].copies();
  return copies == 1 ? rows : rows.repeat({copies, 1});
}

/// Between `logits` `[B, C]` and what the averaged weights say of the batch.
ForwardLosses Step::bregman_losses(const at::Tensor& logits, size_t batch, const Pass& pass) const {
  const at::NoGradGuard no_grad;
  const Model& average = *context_.average;
  const DeviceBatch& rows = batches_.batches()[batch];
  const at::Tensor x = average.word_embedding().index_select(0, rows.tokens());
  const at::Tensor anchor = average.logits(x, rows.rows(pass.bregman_forward), Dropout{});
  LossOptions options = loss_;
  options.kl_weight = pass.bregman_weight;
  return forward_losses(at::cat({logits, anchor}), rows.labels(), 2, options, normaliser_,
                        {.both = pass.weight, .supervised_forwards = 0});
}

PassResult Step::run(const Pass& pass) {
  const ForwardLayout& layout = forwards_[pass.forward];
  const Dropout dropout(batches_.scalars(), batches_.device_scalars(), layout.first_pass, layout.copies());
  // Of this pass alone; the first that is kept, if it has one copy, begins the sum of all.
  at::Tensor alone;
  if (pass.slope == Scope::kMatrix)
    alone = pass.keeps_parameters && !has_kept_ && layout.copies() == 1 ? embedding_gradient_ : no_gradient();
  PassResult result;
  at::Tensor losses;
  for (size_t m = 0; m < batches_.batches().size(); ++m) {
    throw_if_cancelled(context_);
    const DeviceBatch& batch = batches_.batches()[m];
    const Forward forward = model_.forward(embedded(m, pass), batch.rows(pass.forward), dropout);
    const ForwardLosses of_batch = forward_losses(forward.logits, batch.labels(), layout.copies(), loss_,
                                                  normaliser_, {pass.weight, pass.supervised_forwards});
    if (pass.bregman_weight > 0) {
      const int64_t examples = batch.examples();
      const ForwardLosses losses = bregman_losses(forward.logits.detach().narrow(0, 0, examples), m, pass);
      of_batch.dlogits.narrow(0, 0, examples).add_(losses.dlogits.narrow(0, 0, examples));
      result.bregman = result.bregman.defined() ? result.bregman.add_(losses.values[1]) : losses.values[1];
    }
    const at::Tensor drows = forward.backward(of_batch.dlogits, pass.keeps_parameters);
    if (pass.keeps_parameters)
      add_token_gradients(drows, batch.slots(), layout.copies(), embedding_gradient_);
    const auto of_last_copy = [&] {
      const int64_t tokens = batch.tokens().size(0);
      return drows.narrow(0, (layout.copies() - 1) * tokens, tokens);
    };
    if (alone.defined() && !alone.is_same(embedding_gradient_))
      add_token_gradients(of_last_copy(), batch.slots(), 1, alone);
    if (pass.slope == Scope::kExample) {
      at::Tensor slope = of_last_copy();
      spare_tokens(Scope::kExample, slope, batches_, m);
      result.slope.push_back(slope);
    }
    losses = losses.defined() ? losses.add_(of_batch.values) : of_batch.values;
  }
  has_kept_ |= pass.keeps_parameters;
  if (alone.defined()) {
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
