// The seam between processes that share a step, each with batches of its own. They have the same vocabulary of the
// step and the same normaliser, so that whatever a step sums up is a sum of theirs: the gradient that a perturbation
// of scope matrix begins with, and all gradients and losses before the update. A process alone needs none of it.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace rat {

class Reduction {
 public:
  virtual ~Reduction() = default;
  /// Replaces each tensor by its sum over the processes, which all call this in the same order.
  virtual void sum(const std::vector<at::Tensor>& tensors) = 0;
};

/// As if there were `count` processes, all with the same batches: for tests.
class Replicas final : public Reduction {
 public:
  explicit Replicas(int64_t count) : count_(count) {}
  void sum(const std::vector<at::Tensor>& tensors) override {
    for (at::Tensor tensor : tensors) tensor.mul_(count_);
  }

 private:
  int64_t count_;
};

}  // namespace rat
