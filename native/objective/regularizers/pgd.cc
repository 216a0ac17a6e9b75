// PGD (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018) on the embedded rows:
// K steps of ascent, whose gradients are not kept, then the loss of the sample that they found.
#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class Pgd final : public Regularizer {
 public:
  explicit Pgd(const RegularizerOptions& options) : options_(options) {}

  /// The clean one, those of the ascent, and the last; each with masks of its own. An ascent that does not begin at zero has
  /// its first step with the masks of the clean one.
  std::vector<ForwardLayout> forwards() const override {
    std::vector<ForwardLayout> all{{.first_pass = 0, .rates = {options_.clean_dropout}}};
    for (int64_t k = 1; k <= options_.ascent_steps; ++k)
      all.push_back({.first_pass = k, .rates = {options_.forward_dropout[0]}});
    return all;
  }
  Scope scope() const override { return options_.scope; }

  StepLog<at::Tensor> run(Step& step) const override {
    const auto climb = [&](const Perturbation& from, const PassResult& pass) {
      return ascended(from, pass.slope, step.batches(), options_.step_size, options_.epsilon[0]);
    };
    // From zero the clean sample is where the ascent begins, and its gradient the first slope.
    const PassResult clean = step.run({.forward = 0, .slope = options_.scope});
    step.mark("clean");
    Perturbation delta = start_of(options_, step);
    const auto last = static_cast<size_t>(options_.ascent_steps);
    for (size_t k = 0; k < last; ++k) {
      const bool is_clean = k == 0 && options_.starts_at_zero;
      delta = climb(
          delta,
          is_clean
              ? clean
              : step.run(
                    {.forward = k, .delta = &delta, .keeps_parameters = false, .slope = options_.scope}));
    }
    step.mark("perturb");
    const PassResult adversarial = step.run({.forward = last, .delta = &delta});
    step.mark("adversarial");
    return {.clean_loss = clean.supervised,
            .adversarial_loss = adversarial.supervised,
            .delta_norm = delta.norm,
            .skipped_perturbations = delta.skipped};
  }

 private:
  RegularizerOptions options_;
};

}  // namespace

std::unique_ptr<Regularizer> make_pgd(const RegularizerOptions& options) {
  RAT_CHECK(options.forward_dropout.size() == 1, "ERR_RAT_INVALID_ARG",
            "pgd has one adversarial forward, not ", options.forward_dropout.size());
  return std::make_unique<Pgd>(options);
}

}  // namespace rat
