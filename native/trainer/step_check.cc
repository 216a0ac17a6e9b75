#include "trainer/step_check.h"

#include <cmath>

#include "core/check.h"

namespace rat {
namespace {

/// A term without weight is left out, whatever it is: 0 times infinity is no number.
template <typename Value>
Value total(const StepLog<Value>& log, double kl_weight, double bregman_weight) {
  Value loss = log.clean_loss + log.adversarial_loss;
  if (kl_weight != 0) loss = loss + kl_weight * log.kl_loss;
  if (bregman_weight != 0) loss = loss + bregman_weight * log.bregman_loss;
  return loss;
}

bool is_finite(const StepValues& values) {
  return std::isfinite(values.loss) && std::isfinite(values.log.gradient_norm);
}

[[noreturn]] void fail_non_finite(double step, const StepValues& values) {
  const auto& log = values.log;
  fail("ERR_RAT_NON_FINITE", "Step ", step, ": loss ", values.loss, " (clean ", log.clean_loss,
       ", adversarial ", log.adversarial_loss, ", KL ", log.kl_loss, ", Bregman ", log.bregman_loss,
       "), gradient norm ", log.gradient_norm,
       "; nothing was updated. Lower the learning rate or epsilon, or clip the gradient norm");
}

}  // namespace

StepValues StepCheck::on_host(const double* fields) const {
  StepValues values;
  for (const auto& [name, member] : StepLog<double>::fields()) values.log.*member = *fields++;
  values.loss = total(values.log, kl_weight_, bregman_weight_);
  return values;
}

at::Tensor StepCheck::take(const StepLog<at::Tensor>& log, const at::Tensor& step) {
  const at::Tensor zero = at::zeros({}, log.gradient_norm.options());
  std::vector<at::Tensor> fields{step};
  StepLog<at::Tensor> whole = log;
  for (const auto& [name, member] : StepLog<at::Tensor>::fields()) {
    if (!(whole.*member).defined()) whole.*member = zero;
    fields.push_back(whole.*member);
  }
  if (!last_.defined()) {
    last_ = at::zeros({static_cast<int64_t>(fields.size())}, zero.options());
    failed_ = at::zeros_like(last_);
    skipped_ = at::zeros({1}, zero.options());
  }
  at::stack_out(last_, fields);
  if (device_.is_cpu()) {
    const double* last = last_.const_data_ptr<double>();
    const StepValues values = on_host(last + 1);
    if (!is_finite(values)) fail_non_finite(last[0], values);
    return {};
  }
  skipped_.add_(whole.skipped_perturbations);
  const at::Tensor loss = total(whole, kl_weight_, bregman_weight_);
  const at::Tensor is_first = (at::isfinite(loss).logical_and(at::isfinite(log.gradient_norm)))
                                  .logical_not()
                                  .logical_and(failed_[0] == 0);
  at::where_out(failed_, is_first, last_, failed_);
  return (failed_[0] > 0).to(at::kFloat);
}

StepValues StepCheck::read() {
  if (device_.is_cpu()) return on_host(last_.const_data_ptr<double>() + 1);
  const at::Tensor all = at::cat({last_, failed_, skipped_}).cpu();
  const double* last = all.const_data_ptr<double>();
  const double* failed = last + last_.numel();
  skipped_.zero_();
  if (failed[0] > 0) {
    failed_.zero_();
    fail_non_finite(failed[0], on_host(failed + 1));
  }
  StepValues values = on_host(last + 1);
  values.log.skipped_perturbations = failed[last_.numel()];
  return values;
}

void StepCheck::require_finite() {
  if (!failed_.defined()) return;
  const at::Tensor failed = failed_.cpu();
  const double* fields = failed.const_data_ptr<double>();
  if (fields[0] == 0) return;
  failed_.zero_();
  fail_non_finite(fields[0], on_host(fields + 1));
}

}  // namespace rat
