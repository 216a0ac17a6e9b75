#include "objective/rat_step.h"

#include "core/check.h"
#include "objective/perturbation.h"

namespace rat {
namespace {

void throw_if_cancelled(const StepContext& context) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed))
    fail("ERR_RAT_ABORTED", "The operation was aborted");
}

/// Forward of `copies` dropout passes as one batch, losses, backward. `x` holds the embedded rows of all
/// copies.
at::Tensor forward_backward(const Model& model, const PackedBatch& batch, at::Tensor x, int64_t copies,
                            int64_t first_pass, const std::vector<double>& rates, const at::Tensor& labels,
                            const LossOptions& loss, const StepContext& context, StepGradients& gradients) {
  x.requires_grad_();
  const ForwardRows rows = forward_rows(batch, copies, first_pass, x.device());
  const Dropout dropout{context.dropout_key, context.step, rates};
  const at::Tensor logits = model.forward(x, rows, dropout);
  const ForwardLosses losses = forward_losses(logits, labels, copies, loss);
  logits.backward(losses.dlogits);
  add_token_gradients(x.grad(), gradients.vocabulary, copies, gradients.embedding_rows);
  return losses.values;
}

}  // namespace

StepLosses rat_step(const Model& model, const PackedBatch& batch, const at::Tensor& tokens,
                    const at::Tensor& labels, const ObjectiveOptions& options, const StepContext& context,
                    StepGradients& gradients) {
  const at::Tensor rows = model.word_embedding().index_select(0, tokens);
  gradients.embedding_rows = at::zeros({gradients.vocabulary.size() + 1, rows.size(1)}, rows.options());
  StepLosses losses;
  throw_if_cancelled(context);

  if (options.method == Method::kRDrop) {
    // R-Drop (Liang et al., 2021): K clean forwards as one batch, passes 0..K-1.
    losses.clean = forward_backward(model, batch, rows.repeat({options.forwards(), 1}), options.forwards(), 0,
                                    options.forward_dropout, labels, options.loss, context, gradients);
    return losses;
  }

  // Line 3: the clean pass, dropout pass 0. Its gradients are kept: a second backward would give the same
  // ones.
  losses.clean = forward_backward(model, batch, rows.clone(), 1, 0, {options.clean_dropout}, labels,
                                  options.loss, context, gradients);
  if (options.method == Method::kNone) return losses;
  throw_if_cancelled(context);

  // Lines 4 and 5: delta from the gradient of the whole matrix, unclipped; a constant from here on.
  const Perturbation delta =
      perturbation(gradients.embedding_rows, gradient_norm(gradients.embedding_rows), options.epsilon);
  losses.delta_norms = delta.norms;
  at::Tensor adversarial = perturbed_rows(rows, delta, gradients.vocabulary);

  // Lines 6 to 8: K forwards with masks of their own, passes 1..K, as one batch (FGM: K = 1).
  std::vector<double> rates{options.clean_dropout};
  rates.insert(rates.end(), options.forward_dropout.begin(), options.forward_dropout.end());
  losses.adversarial = forward_backward(model, batch, std::move(adversarial), options.forwards(), 1, rates,
                                        labels, options.loss, context, gradients);
  return losses;
}

}  // namespace rat
