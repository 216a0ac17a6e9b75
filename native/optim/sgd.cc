// Stochastic gradient descent without momentum, weight decay coupled (added to the gradient).
#include "optim/kept_unless.h"
#include "optim/optimizer.h"

namespace rat {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const std::vector<Parameter>& parameters, double weight_decay)
      : parameters_(parameters), groups_(parameter_groups(parameters, weight_decay)) {}

  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    for (const ParameterGroup& group : groups_)
      for (const size_t i : group.indices) {
        at::Tensor values = parameters_[i].tensor.detach();
        const KeptUnless kept(scalars.found_inf, {values});
        descend(values,
                group.weight_decay > 0 ? at::add(gradients[i], values, group.weight_decay) : gradients[i],
                scalars, group.learning_rate_scale);
        kept.put_back();
      }
  }

 private:
  std::vector<Parameter> parameters_;
  std::vector<ParameterGroup> groups_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<Sgd>(parameters, weight_decay);
}

}  // namespace rat
