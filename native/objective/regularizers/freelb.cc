// FreeLB (Zhu et al., "FreeLB: Enhanced Adversarial Training for Natural Language Understanding", ICLR 2020), beside the
// lines of its Algorithm 1: every step of the ascent also trains.
#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class FreeLb final : public Regularizer {
 public:
  explicit FreeLb(const RegularizerOptions& options) : options_(options) {}

  std::vector<ForwardLayout> forwards() const override {
    std::vector<ForwardLayout> all;
    for (int64_t t = 0; t < options_.ascent_steps; ++t)
      all.push_back({.first_pass = options_.same_masks ? 0 : t, .rates = {options_.forward_dropout[0]}});
    return all;
  }
  Scope scope() const override { return options_.scope; }

  StepLog<at::Tensor> run(Step& step) const override {
    const auto steps = static_cast<size_t>(options_.ascent_steps);
    StepLog<at::Tensor> log;
    Perturbation delta = start_of(options_, step);  // line 5
    for (size_t t = 0; t < steps; ++t) {
      // Lines 8 and 9: the mean of the gradients at delta_0 .. delta_K-1 is what updates the parameters.
      const PassResult pass = step.run({.forward = t,
                                        .delta = t == 0 && options_.starts_at_zero ? nullptr : &delta,
                                        .weight = 1 / static_cast<double>(steps),
                                        .slope = options_.scope});
      log.adversarial_loss = t == 0 ? pass.supervised : log.adversarial_loss + pass.supervised;
      log.delta_norm = delta.norm;
      log.skipped_perturbations = delta.skipped;
      // Lines 10 and 11: delta_t = the projection of delta_t-1 + alpha * g / ||g||.
      if (t + 1 < steps)
        delta = ascended(delta, pass.slope, step.batches(), options_.step_size, options_.epsilon[0]);
    }
    step.mark("adversarial");
    return log;
  }

 private:
  RegularizerOptions options_;
};

}  // namespace

std::unique_ptr<Regularizer> make_freelb(const RegularizerOptions& options) {
  RAT_CHECK(options.forward_dropout.size() == 1, "ERR_RAT_INVALID_ARG",
            "freelb has one forward a step of its ascent, not ", options.forward_dropout.size());
  return std::make_unique<FreeLb>(options);
}

}  // namespace rat
