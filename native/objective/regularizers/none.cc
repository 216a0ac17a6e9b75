// Plain training: one clean pass.
#include "objective/regularizers/regularizer.h"

namespace rat {
namespace {

class None final : public Regularizer {
 public:
  explicit None(const RegularizerOptions& options) : dropout_(options.clean_dropout) {}

  std::vector<ForwardLayout> forwards() const override { return {{.first_pass = 0, .rates = {dropout_}}}; }

  StepLog<at::Tensor> run(Step& step) const override {
    const PassResult clean = step.run({});
    step.mark("clean");
    return {.clean_loss = clean.supervised};
  }

 private:
  double dropout_;
};

}  // namespace

std::unique_ptr<Regularizer> make_none(const RegularizerOptions& options) {
  return std::make_unique<None>(options);
}

}  // namespace rat
