// BertAdam, as the released R-AT code uses it: Adam without bias correction, eps 1e-6 added outside the root,
// weight decay added to the update, and each parameter's gradient clipped to norm 1 before the moments.
#include "optim/kept_unless.h"
#include "optim/optimizer.h"

namespace rat {
namespace {

class BertAdam final : public Optimizer {
 public:
  BertAdam(const std::vector<Parameter>& parameters, double weight_decay)
      : parameters_(parameters), groups_(parameter_groups(parameters, weight_decay)) {
    for (const Parameter& parameter : parameters_) {
      first_moments_.push_back(at::zeros_like(parameter.tensor.detach()));
      second_moments_.push_back(at::zeros_like(parameter.tensor.detach()));
    }
  }

  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    for (const ParameterGroup& group : groups_)
      for (const size_t i : group.indices) {
        at::Tensor values = parameters_[i].tensor.detach();
        const KeptUnless kept(scalars.found_inf, {values, first_moments_[i], second_moments_[i]});
        const at::Tensor norm = at::linalg_vector_norm(gradients[i], 2, {}, false, at::kDouble);
        const at::Tensor gradient =
            gradients[i] * (1.0 / (norm + 1e-6)).clamp_max(1.0).to(values.scalar_type());
        first_moments_[i].mul_(0.9).add_(gradient, 0.1);
        second_moments_[i].mul_(0.999).addcmul_(gradient, gradient, 0.001);
        at::Tensor update = first_moments_[i] / second_moments_[i].sqrt().add_(1e-6);
        if (group.weight_decay > 0) update.add_(values, group.weight_decay);
        descend(values, update, scalars, group.learning_rate_scale);
        kept.put_back();
      }
  }

  std::vector<std::pair<std::string, at::Tensor>> state() const override {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      tensors.emplace_back(parameters_[i].name + ".exp_avg", first_moments_[i]);
      tensors.emplace_back(parameters_[i].name + ".exp_avg_sq", second_moments_[i]);
    }
    return tensors;
  }

 private:
  std::vector<Parameter> parameters_;
  std::vector<ParameterGroup> groups_;
  std::vector<at::Tensor> first_moments_, second_moments_;
};

}  // namespace

std::unique_ptr<Optimizer> make_bertadam(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<BertAdam>(parameters, weight_decay);
}

}  // namespace rat
