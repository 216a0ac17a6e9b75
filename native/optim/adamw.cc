// AdamW (Loshchilov and Hutter, 2019) with PyTorch's fused kernel: betas 0.9 and 0.999, eps 1e-8, bias
// correction, decoupled weight decay.
#include <algorithm>

#include "optim/optimizer.h"

namespace rat {
namespace {

/// The fused kernel takes one value of each number a call.
struct Group : ParameterGroup {
  std::vector<at::Tensor> parameters, first_moments, second_moments, steps;
};

/// The kernel takes the step that is being made, counted from 1. On the CPU without a request for memory, as all of
/// the update: there is never half of one.
void count(std::vector<at::Tensor>& steps, const at::Tensor& found_inf) {
  if (found_inf.defined()) return at::_foreach_add_(steps, 1 - found_inf);
  if (!steps[0].is_cpu()) return at::_foreach_add_(steps, 1);
  for (at::Tensor& step : steps) *step.mutable_data_ptr<float>() += 1;
}

bool are_contiguous(const std::vector<at::Tensor>& tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const at::Tensor& each) { return each.is_contiguous(); });
}

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<Parameter>& parameters, double weight_decay) {
    for (ParameterGroup& numbers : parameter_groups(parameters, weight_decay)) {
      Group& group = groups_.emplace_back(Group{std::move(numbers), {}, {}, {}, {}});
      for (const size_t i : group.indices) {
        const at::Tensor values = parameters[i].tensor.detach();
        group.parameters.push_back(values);
        group.first_moments.push_back(at::zeros_like(values));
        group.second_moments.push_back(at::zeros_like(values));
        group.steps.push_back(at::zeros({}, values.options().dtype(at::kFloat)));
      }
    }
    for (const Parameter& parameter : parameters) names_.push_back(parameter.name);
  }

  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    for (Group& group : groups_) {
      std::vector<at::Tensor> of_group;
      for (const size_t i : group.indices) of_group.push_back(gradients[i]);
      count(group.steps, scalars.found_inf);
      const double scale = group.learning_rate_scale;
      // A float is too coarse a learning rate for weights in double.
      const bool is_float = group.parameters[0].scalar_type() == at::kFloat;
      if (is_float && scalars.device_learning_rate_float.defined())
        update(group, of_group, scalars.device_learning_rate_float * scale, scalars);
      else
        update(group, of_group, scalars.learning_rate * scale, scalars);
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
  /// `learning_rate`: a double, or a tensor where the parameters are.
  template <typename Rate>
  static void update(Group& group, const std::vector<at::Tensor>& gradients, const Rate& learning_rate,
                     const UpdateScalars& scalars) {
    const auto found_inf = scalars.found_inf.defined() ? std::optional(scalars.found_inf) : std::nullopt;
    const auto step = [&](const auto& part) {
      at::_fused_adamw_(part(group.parameters), part(gradients), part(group.first_moments),
                        part(group.second_moments), {}, group.steps, learning_rate, 0.9, 0.999,
                        group.weight_decay, 1e-8, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{},
                        found_inf);
    };
    if (!scalars.lanes || !are_contiguous(group.parameters) || !are_contiguous(gradients))
      return step([](const std::vector<at::Tensor>& whole) { return whole; });
    // Each lane takes its part of every tensor.
    const int64_t lanes = scalars.lanes->most();
    scalars.lanes->run(lanes, [&](int64_t lane) {
      step([&](const std::vector<at::Tensor>& whole) {
        std::vector<at::Tensor> parts;
        for (const at::Tensor& tensor : whole) {
          const int64_t begin = tensor.numel() * lane / lanes, end = tensor.numel() * (lane + 1) / lanes;
          parts.push_back(tensor.view({-1}).narrow(0, begin, end - begin));
        }
        return parts;
      });
    });
  }

  std::vector<Group> groups_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<AdamW>(parameters, weight_decay);
}

}  // namespace rat
