// R-Drop (Liang et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021): K clean forwards with
// masks of their own, consistent with each other.
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class RDrop final : public Regularizer {
 public:
  explicit RDrop(const RegularizerOptions& options) : dropout_(options.forward_dropout) {}

  std::vector<ForwardLayout> forwards() const override { return {{.first_pass = 0, .rates = dropout_}}; }

  StepLog<at::Tensor> run(Step& step) const override {
    const PassResult clean = step.run({});
    step.mark("clean");
    return {.clean_loss = clean.supervised, .kl_loss = clean.consistency};
  }

 private:
  std::vector<double> dropout_;
};

}  // namespace

std::unique_ptr<Regularizer> make_r_drop(const RegularizerOptions& options) {
  return std::make_unique<RDrop>(options);
}

}  // namespace rat
