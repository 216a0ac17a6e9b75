#include "objective/rat_step.h"

#include "core/check.h"
#include "objective/perturbation.h"

namespace rat {
namespace {

void throw_if_cancelled(const StepContext& context) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed))
    fail("ERR_RAT_ABORTED", "The operation was aborted");
}

/// The batch's `i`-th forward, losses, backward. `x` holds the embedded rows of all its copies.
at::Tensor forward_backward(const Model& model, const DeviceBatch& batch, size_t i, at::Tensor x,
                            const std::vector<double>& rates, const LossOptions& loss,
                            const StepContext& context, StepGradients& gradients) {
  x.requires_grad_();
  const ForwardRows& rows = batch.rows(i);
  const Dropout dropout{context.dropout_key, context.step, rates};
  const at::Tensor logits = model.forward(x, rows, dropout);
  const ForwardLosses losses = forward_losses(logits, batch.labels(), rows.copies, loss);
  logits.backward(losses.dlogits);
  add_token_gradients(x.grad(), batch.vocabulary(), rows.copies, gradients.embedding_rows);
  return losses.values;
}

}  // namespace

std::vector<int64_t> ObjectiveOptions::copies() const {
  if (method == Method::kNone) return {1};
  if (method == Method::kRDrop) return {forwards()};
  return {1, forwards()};
}

StepLosses rat_step(const Model& model, const DeviceBatch& batch, const ObjectiveOptions& options,
                    const StepContext& context, StepGradients& gradients) {
  const at::Tensor rows = model.word_embedding().index_select(0, batch.tokens());
  gradients.embedding_rows = at::zeros({batch.vocabulary().size + 1, rows.size(1)}, rows.options());
  StepLosses losses;
  throw_if_cancelled(context);

  if (options.method == Method::kRDrop) {
    // R-Drop (Liang et al., 2021): K clean forwards as one batch, passes 0..K-1.
    losses.clean = forward_backward(model, batch, 0, rows.repeat({options.forwards(), 1}),
                                    options.forward_dropout, options.loss, context, gradients);
    mark(context.profile, "clean");
    return losses;
  }

  // Line 3: the clean pass, dropout pass 0. Its gradients are kept: a second backward would give the same
  // ones.
  losses.clean = forward_backward(model, batch, 0, rows.clone(), {options.clean_dropout}, options.loss,
                                  context, gradients);
  mark(context.profile, "clean");
  if (options.method == Method::kNone) return losses;
  throw_if_cancelled(context);

  // Lines 4 and 5: delta from the gradient of the whole matrix, unclipped; a constant from here on.
  const Perturbation delta =
      perturbation(gradients.embedding_rows, gradient_norm(gradients.embedding_rows), options.epsilon);
  losses.delta_norms = delta.norms;
  at::Tensor adversarial = perturbed_rows(rows, delta, batch.vocabulary());
  mark(context.profile, "perturb");

  // Lines 6 to 8: K forwards with masks of their own, passes 1..K, as one batch (FGM: K = 1).
  std::vector<double> rates{options.clean_dropout};
  rates.insert(rates.end(), options.forward_dropout.begin(), options.forward_dropout.end());
  losses.adversarial =
      forward_backward(model, batch, 1, std::move(adversarial), rates, options.loss, context, gradients);
  mark(context.profile, "adversarial");
  return losses;
}

}  // namespace rat
