// R3F (Aghajanyan et al., "Better Fine-Tuning by Reducing Representational Collapse", ICLR 2021): consistency of a forward
// with one of the same sample under random noise. No adversary: whether one matters at all is what it shows.
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class R3f final : public Regularizer {
 public:
  explicit R3f(const RegularizerOptions& options) : options_(options) {}

  /// The clean sample and the noisy one, as one batch.
  std::vector<ForwardLayout> forwards() const override {
    return {{.first_pass = 0, .rates = {options_.clean_dropout, options_.forward_dropout[0]}}};
  }
  Scope scope() const override { return Scope::kExample; }

  StepLog<at::Tensor> run(Step& step) const override {
    const at::Tensor& matrix = step.word_embedding();
    const Perturbation noise =
        random_noise(options_.noise, options_.epsilon[0], step.batches(), matrix.options(), matrix.size(1));
    const Perturbation both = beside_clean(noise);
    step.mark("perturb");
    // Equation 5 of the paper, whose symmetrised divergence is twice the bidirectional one.
    const PassResult pass = step.run({.delta = &both, .supervised_forwards = 1});
    step.mark("adversarial");
    return {.clean_loss = pass.supervised, .kl_loss = pass.consistency, .delta_norm = noise.norm};
  }

 private:
  RegularizerOptions options_;
};

}  // namespace

std::unique_ptr<Regularizer> make_r3f(const RegularizerOptions& options) {
  return std::make_unique<R3f>(options);
}

}  // namespace rat
