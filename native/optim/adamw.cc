// AdamW (Loshchilov and Hutter, 2019) with PyTorch's fused kernel: betas 0.9 and 0.999, eps 1e-8, bias
// correction, decoupled weight decay.
#include "optim/optimizer.h"

namespace rat {
namespace {

/// Parameters that share a weight decay; the fused kernel takes one value a call.
struct Group {
  std::vector<size_t> indices;
  std::vector<at::Tensor> parameters, first_moments, second_moments, steps;
  double weight_decay = 0;
};

/// The kernel takes the step that is being made, counted from 1. On the CPU without a request for memory, as all of
/// the update: there is never half of one.
void count(std::vector<at::Tensor>& steps) {
  if (!steps[0].is_cpu()) return at::_foreach_add_(steps, 1);
  for (at::Tensor& step : steps) *step.mutable_data_ptr<float>() += 1;
}

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<Parameter>& parameters, double weight_decay) {
    groups_[0].weight_decay = weight_decay;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Parameter& parameter = parameters[i];
      Group& group = groups_[parameter.decays ? 0 : 1];
      const at::Tensor values = parameter.tensor.detach();
      group.indices.push_back(i);
      group.parameters.push_back(values);
      group.first_moments.push_back(at::zeros_like(values));
      group.second_moments.push_back(at::zeros_like(values));
      group.steps.push_back(at::zeros({}, values.options().dtype(at::kFloat)));
      names_.push_back(parameter.name);
    }
  }

  void step(const std::vector<at::Tensor>& gradients, double learning_rate) override {
    for (Group& group : groups_) {
      if (group.indices.empty()) continue;
      std::vector<at::Tensor> of_group;
      for (const size_t i : group.indices) of_group.push_back(gradients[i]);
      count(group.steps);
      at::_fused_adamw_(group.parameters, of_group, group.first_moments, group.second_moments, {},
                        group.steps, learning_rate, 0.9, 0.999, group.weight_decay, 1e-8, /*amsgrad=*/false,
                        /*maximize=*/false);
    }
  }

  std::vector<std::pair<std::string, at::Tensor>> state() const override {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const Group& group : groups_)
      for (size_t i = 0; i < group.indices.size(); ++i) {
        const std::string& name = names_[group.indices[i]];
        tensors.emplace_back(name + ".exp_avg", group.first_moments[i]);
        tensors.emplace_back(name + ".exp_avg_sq", group.second_moments[i]);
        tensors.emplace_back(name + ".step", group.steps[i]);
      }
    return tensors;
  }

 private:
  Group groups_[2];  // with and without weight decay
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<AdamW>(parameters, weight_decay);
}

}  // namespace rat
