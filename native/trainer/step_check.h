// Stops an update that is not finite. On the CPU the host looks before the update. On a GPU it would have to wait
// for the device in every step; there a flag on the device turns the update, and all that follow, into nothing, and
// the host learns of it when it reads.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "objective/step_log.h"

namespace rat {

/// Values of one step, read back from the device.
struct StepValues {
  double loss = 0;
  StepLog<double> log;
};

class StepCheck {
 public:
  StepCheck(at::Device device, double kl_weight, double bregman_weight)
      : device_(device), kl_weight_(kl_weight), bregman_weight_(bregman_weight) {}

  /// Takes the values of a step whose gradients are there. On the CPU: throws ERR_RAT_NON_FINITE, and returns
  /// an undefined tensor. On a GPU: the optimizers' `found_inf`.
  /// `step` is its number, 0-dimensional double there.
  at::Tensor take(const StepLog<at::Tensor>& log, const at::Tensor& step);

  /// The values of the last step, and perturbations that were skipped since the last call. Waits for the device.
  /// Throws ERR_RAT_NON_FINITE if a step since then was not finite; nothing was updated from there on.
  StepValues read();

  /// Throws likewise.
  void require_finite();

 private:
  StepValues on_host(const double* fields) const;

  at::Device device_;
  double kl_weight_;
  double bregman_weight_;
  // [1 + fields] double: the step, then what StepLog::fields() lists; of the last step, and of the first one
  // that was not finite (step 0: there was none). Undefined before the first step, and the same memory from then on.
  at::Tensor last_, failed_;
  at::Tensor skipped_;  // [1], since the last call of read()
};

}  // namespace rat
