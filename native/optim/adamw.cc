// AdamW (Loshchilov and Hutter, 2019), as torch.optim.AdamW: betas 0.9 and 0.999, eps 1e-8, bias correction, decoupled
// weight decay. One pass over the memory of all parameters (adamw_update.h, cuda/adamw.cu), which clips, and writes the copies
// of weights in bf16 too.
#include <optional>

#include "core/kernels.h"
#include "optim/late_rows.h"

namespace rat {
namespace {

class AdamW final : public Optimizer {
 public:
  AdamW(const std::vector<Parameter>& parameters, double weight_decay) {
    for (const Parameter& parameter : parameters) {
      const at::Tensor values = parameter.tensor.detach();
      names_.push_back(parameter.name);
      updates_.push_back({
          .tensors = {values, at::zeros_like(values), at::zeros_like(values), parameter.low},
          .count = at::zeros({}, values.options().dtype(at::kFloat)),
          .weight_decay = parameter.decays ? weight_decay : 0,
          .learning_rate_scale = parameter.learning_rate_scale,
      });
    }
    if (parameters[0].is_word_embedding && parameters[0].tensor.is_cpu())
      late_rows_.emplace(updates_[0].tensors);
  }

  bool takes_rows() const override { return late_rows_.has_value(); }
  bool scales_gradients() const override { return true; }
  bool writes_casts() const override { return true; }
  void catch_up(const at::Tensor& rows, Lanes& lanes) override {
    if (late_rows_) late_rows_->catch_up(rows, lanes);
  }
  void catch_up(Lanes& lanes) override {
    if (late_rows_) late_rows_->catch_up(lanes);
  }

  void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) override {
    for (size_t i = 0; i < updates_.size(); ++i) updates_[i].gradient = gradients[i];
    count(scalars.found_inf);
    c10::ArrayRef<AdamWUpdate> updates = updates_;
    if (late_rows_) {
      late_rows_->update(scalars.rows, updates[0].gradient, updates[0].numbers(scalars), *scalars.lanes);
      updates = updates.slice(1);
    }
    if (!updates.empty()) kernels::adamw.on(updates[0].tensors.values.device())(updates, scalars);
    for (AdamWUpdate& update : updates_) update.gradient.reset();
  }

  std::vector<std::pair<std::string, at::Tensor>> state() const override {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (size_t i = 0; i < updates_.size(); ++i) {
      const AdamWUpdate& of = updates_[i];
      tensors.emplace_back(names_[i] + ".exp_avg", of.tensors.first_moment);
      tensors.emplace_back(names_[i] + ".exp_avg_sq", of.tensors.second_moment);
      tensors.emplace_back(names_[i] + ".step", of.count);
    }
    return tensors;
  }

 private:
  void count(const at::Tensor& found_inf) {
    std::vector<at::Tensor> counts;
    for (const AdamWUpdate& update : updates_) counts.push_back(update.count);
    if (found_inf.defined()) return at::_foreach_add_(counts, 1 - found_inf);
    if (!counts[0].is_cpu()) return at::_foreach_add_(counts, 1);
    for (const at::Tensor& each : counts) *each.mutable_data_ptr<float>() += 1;
  }

  std::vector<std::string> names_;
  std::vector<AdamWUpdate> updates_;  // between steps without gradients
  std::optional<LateRows> late_rows_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay) {
  return std::make_unique<AdamW>(parameters, weight_decay);
}

}  // namespace rat
