// Stochastic gradient descent without momentum, weight decay coupled (added to the gradient).
#include "optim/optimizer.h"

namespace rat {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const std::vector<Parameter>& parameters, double weight_decay)
      : parameters_(parameters), weight_decay_(weight_decay) {}

  void step(const std::vector<at::Tensor>& gradients, double learning_rate) override {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      at::Tensor values = parameters_[i].tensor.detach();
      const double decay = parameters_[i].decays ? weight_decay_ : 0;
      values.sub_(decay > 0 ? at::add(gradients[i], values, decay) : gradients[i], learning_rate);
    }
  }

 private:
  std::vector<Parameter> parameters_;
  double weight_decay_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<Sgd>(parameters, weight_decay);
}

}  // namespace rat
