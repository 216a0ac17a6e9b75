// SMART (Jiang et al., "SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language Models through Principled
// Regularized Optimization", ACL 2020). Its smoothness (section 3.1): consistency of a forward with one of the sample that
// is furthest from it, which an ascent looks for. Labels have no part in that: it is virtual adversarial training (Miyato et
// al., 2018) beside a supervised loss. Its Bregman proximal point with momentum (section 3.2), an option: consistency with
// what an average of the weights so far says, so that no update goes far.
#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class Smart final : public Regularizer {
 public:
  explicit Smart(const RegularizerOptions& options) : options_(options) {}

  /// Those of the ascent and the last: each the clean sample, always with the same masks, beside the perturbed one.
  std::vector<ForwardLayout> forwards() const override {
    std::vector<ForwardLayout> forwards{
        {.first_pass = 0, .rates = {options_.clean_dropout, options_.forward_dropout[0]}}};
    if (average_decay()) forwards.push_back({.first_pass = 2, .rates = {0}});
    return forwards;
  }
  Scope scope() const override { return options_.scope; }
  std::optional<double> average_decay() const override {
    return options_.bregman_weight > 0 ? std::optional(options_.bregman_decay) : std::nullopt;
  }

  StepLog<at::Tensor> run(Step& step) const override {
    const at::Tensor& matrix = step.word_embedding();
    // The divergence has no slope where it is zero, so the search cannot begin there.
    Perturbation delta = random_start(options_.scope, Noise::kNormal, options_.epsilon[0], step.batches(),
                                      matrix.options(), matrix.size(1));
    for (int64_t k = 0; k < options_.ascent_steps; ++k) {
      const Perturbation both = beside_clean(delta);
      const PassResult pass = step.run(
          {.delta = &both, .supervised_forwards = 0, .keeps_parameters = false, .slope = options_.scope});
      delta = ascended(delta, pass.slope, step.batches(), options_.step_size, options_.epsilon[0]);
    }
    step.mark("perturb");
    const Perturbation both = beside_clean(delta);
    const PassResult pass = step.run({.delta = &both,
                                      .supervised_forwards = 1,
                                      .bregman_weight = options_.bregman_weight,
                                      .bregman_forward = 1});
    step.mark("adversarial");
    return {.clean_loss = pass.supervised,
            .kl_loss = pass.consistency,
            .bregman_loss = pass.bregman,
            .delta_norm = delta.norm,
            .skipped_perturbations = delta.skipped};
  }

 private:
  RegularizerOptions options_;
};

}  // namespace

std::unique_ptr<Regularizer> make_smart(const RegularizerOptions& options) {
  return std::make_unique<Smart>(options);
}

}  // namespace rat
