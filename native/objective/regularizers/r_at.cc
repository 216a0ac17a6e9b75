// R-AT (Ni, Li and Kao, "R-AT: Regularized Adversarial Training for Natural Language Understanding", Findings of
// EMNLP 2022), beside the lines of its Algorithm 1.
#include "core/savings.h"
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class RAt final : public Regularizer {
 public:
  explicit RAt(const RegularizerOptions& options) : options_(options) {}

  std::vector<ForwardLayout> forwards() const override {
    return {{.first_pass = 0, .rates = {options_.clean_dropout}},
            {.first_pass = 1, .rates = options_.forward_dropout}};
  }
  Scope scope() const override { return options_.scope; }

  StepLog<at::Tensor> run(Step& step) const override {
    // Line 3: forward and backward of the clean sample. Its gradients are kept: a second backward would give
    // the same ones.
    const bool keeps = is_on(Saving::kKeptGradients);
    const PassResult clean =
        step.run({.forward = kClean, .keeps_parameters = keeps, .slope = options_.scope});
    step.mark("clean");

    // Lines 4 and 5: delta = epsilon * g / ||g||_2 from the unclipped gradient of the word embeddings.
    const Perturbation delta = perturbation(options_.scope, clean.slope, step.batches(), options_.epsilon);
    step.mark("perturb");

    if (!keeps) step.run({.forward = kClean});

    // Lines 6 to 8: K forwards of the adversarial sample with masks of their own, as one batch; their
    // cross-entropies and the divergence between them.
    const PassResult adversarial = step.run({.forward = kAdversarial, .delta = &delta});
    step.mark("adversarial");

    // Line 9: one update from the sum of all gradients, by the trainer.
    return {.clean_loss = clean.supervised,
            .adversarial_loss = adversarial.supervised,
            .kl_loss = adversarial.consistency,
            .delta_norm = delta.norm,
            .skipped_perturbations = delta.skipped};
  }

 private:
  enum : size_t { kClean, kAdversarial };
  RegularizerOptions options_;
};

}  // namespace

std::unique_ptr<Regularizer> make_r_at(const RegularizerOptions& options) {
  return std::make_unique<RAt>(options);
}

}  // namespace rat
