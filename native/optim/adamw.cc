// AdamW (Loshchilov and Hutter, 2019), as torch.optim.AdamW: betas 0.9 and 0.999, eps 1e-8, bias correction, decoupled
// weight decay. On the CPU by our own pass (adamw_update.h), elsewhere by LibTorch's fused kernel.
#include <ATen/Parallel.h>

#include <optional>

#include "optim/late_rows.h"
#include "optim/optimizer.h"

namespace rat {
namespace {

/// LibTorch's kernel takes one value of each number a call, and the step that is being made, counted from 1.
struct Group : ParameterGroup {
  std::vector<at::Tensor> parameters, first_moments, second_moments, steps;
};

class AdamW : public Optimizer {
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

 protected:
  std::vector<Group> groups_;

 private:
  std::vector<std::string> names_;
};

class FusedAdamW final : public AdamW {
 public:
  using AdamW::AdamW;

  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    for (Group& group : groups_) {
      std::vector<at::Tensor> of_group;
      for (const size_t i : group.indices) of_group.push_back(gradients[i]);
      if (scalars.found_inf.defined())
        at::_foreach_add_(group.steps, 1 - scalars.found_inf);
      else
        at::_foreach_add_(group.steps, 1);
      const double scale = group.learning_rate_scale;
      // A float is too coarse a learning rate for weights in double.
      const bool is_float = group.parameters[0].scalar_type() == at::kFloat;
      if (is_float && scalars.device_learning_rate_float.defined())
        update(group, of_group, scalars.device_learning_rate_float * scale, scalars);
      else
        update(group, of_group, scalars.learning_rate * scale, scalars);
    }
  }

 private:
  /// `learning_rate`: a double, or a tensor where the parameters are.
  template <typename Rate>
  static void update(const Group& group, const std::vector<at::Tensor>& gradients, const Rate& learning_rate,
                     const UpdateScalars& scalars) {
    at::_fused_adamw_(group.parameters, gradients, group.first_moments, group.second_moments, {}, group.steps,
                      learning_rate, kBeta1, kBeta2, group.weight_decay, kAdamEps, /*amsgrad=*/false,
                      /*maximize=*/false, /*grad_scale=*/{},
                      scalars.found_inf.defined() ? std::optional(scalars.found_inf) : std::nullopt);
  }
};

class CpuAdamW final : public AdamW {
 public:
  CpuAdamW(const std::vector<Parameter>& parameters, double weight_decay) : AdamW(parameters, weight_decay) {
    if (!parameters[0].is_word_embedding) return;
    const Group& first = groups_[0];  // in the order of the parameters
    late_rows_.emplace(AdamWTensors{first.parameters[0], first.first_moments[0], first.second_moments[0]});
  }

  bool takes_rows() const override { return late_rows_.has_value(); }
  void catch_up(const at::Tensor& rows, Lanes& lanes) override {
    if (late_rows_) late_rows_->catch_up(rows, lanes);
  }
  void catch_up(Lanes& lanes) override {
    if (late_rows_) late_rows_->catch_up(lanes);
  }

  /// Memory is asked for before anything is changed: there is never half of an update.
  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    std::vector<Update> updates;
    for (const Group& group : groups_)
      for (size_t i = 0; i < group.indices.size(); ++i)
        updates.push_back({
            .tensors = {group.parameters[i], group.first_moments[i], group.second_moments[i]},
            .gradient = gradients[group.indices[i]].contiguous(),
            .numbers = {scalars.learning_rate * group.learning_rate_scale, group.weight_decay,
                        group.steps[i].item<double>() + 1},
        });
    if (late_rows_) late_rows_->begin(updates[0].numbers);
    for (const Group& group : groups_)
      for (const at::Tensor& step : group.steps) *step.mutable_data_ptr<float>() += 1;
    // Each lane takes its part of every tensor.
    const int64_t lanes = scalars.lanes->most();
    scalars.lanes->run(lanes, [&](int64_t lane) {
      for (size_t i = 0; i < updates.size(); ++i) {
        const Update& update = updates[i];
        const bool is_late = late_rows_ && i == 0;
        const int64_t size = is_late ? scalars.rows.size(0) : update.gradient.numel();
        const int64_t begin = size * lane / lanes, end = size * (lane + 1) / lanes;
        if (is_late)
          late_rows_->update(scalars.rows, update.gradient, begin, end);
        else
          update.make(begin, end);
      }
    });
  }

 private:
  struct Update {
    AdamWTensors tensors;
    at::Tensor gradient;
    AdamWNumbers numbers;

    void make(int64_t begin, int64_t end) const {
      at::parallel_for(begin, end, kGrain, [&](int64_t from, int64_t to) {
        const auto* first = static_cast<const char*>(gradient.const_data_ptr());
        tensors.update(from, to - from, first + from * static_cast<int64_t>(gradient.element_size()),
                       numbers);
      });
    }
  };

  static constexpr int64_t kGrain = 1 << 15;

  std::optional<LateRows> late_rows_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay) {
  if (parameters[0].tensor.is_cpu()) return std::make_unique<CpuAdamW>(parameters, weight_decay);
  return std::make_unique<FusedAdamW>(parameters, weight_decay);
}

}  // namespace rat
