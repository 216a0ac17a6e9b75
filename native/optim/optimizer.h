// Optimizers over a model's parameters. Conventions: `adamw` is torch.optim.AdamW, `bertadam` the released
// R-AT code's, `sgd` torch.optim.SGD without momentum.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace rat {

struct OptimizerOptions {
  std::string type = "adamw";
  double weight_decay = 0;
  double clip_norm = 0;  // largest global gradient norm; 0 = none
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One update. `gradients` in the order of the parameters.
  virtual void step(const std::vector<at::Tensor>& gradients, double learning_rate) = 0;
  /// Every tensor that the next step depends on, under the name it has in a checkpoint.
  virtual std::vector<std::pair<std::string, at::Tensor>> state() const { return {}; }
};

/// ERR_RAT_INVALID_ARG lists the names if `options.type` is none of them.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<Parameter>& parameters,
                                          const OptimizerOptions& options);

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay);
std::unique_ptr<Optimizer> make_bertadam(const std::vector<Parameter>& parameters, double weight_decay);
std::unique_ptr<Optimizer> make_sgd(const std::vector<Parameter>& parameters, double weight_decay);

/// Multiplies the gradients by min(1, clip_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
void clip_gradients(std::vector<at::Tensor>& gradients, double norm, double clip_norm);

}  // namespace rat
