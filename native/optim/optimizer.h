// Optimizers over a model's parameters. Conventions: `adamw` is torch.optim.AdamW, `bertadam` the released
// R-AT code's, `sgd` torch.optim.SGD without momentum.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/lanes.h"
#include "models/parameter.h"

namespace rat {

struct OptimizerOptions {
  std::string type = "adamw";
  double weight_decay = 0;
  double clip_norm = 0;    // largest global gradient norm; 0 = none
  double layer_decay = 1;  // of the learning rate, from a layer to the one below it
  int64_t frozen = 0;  // depths below this learn nothing: 1 is the embeddings, 1 + n the first n layers too
};

/// Parameters that share their numbers.
struct ParameterGroup {
  std::vector<size_t> indices;  // among those that the optimizer was made for
  double weight_decay = 0;
  double learning_rate_scale = 1;
};

/// In the order of the first parameter of each.
std::vector<ParameterGroup> parameter_groups(const std::vector<Parameter>& parameters, double weight_decay);

/// What an update goes by besides the gradients. On a GPU the kernels read the tensors, so that the host need not
/// know what is in them; on the CPU there are none.
struct UpdateScalars {
  double learning_rate = 0;
  at::Tensor device_learning_rate;   // 0-dimensional double
  double gradient_scale = 1;         // of what is taken of the gradients: clipping
  at::Tensor device_gradient_scale;  // 0-dimensional double; undefined: 1
  at::Tensor found_inf;              // 0-dimensional float: 1 if nothing may change
  Lanes* lanes = nullptr;            // that may share the work; on the CPU
  at::Tensor rows;                   // `[N]`, int64, each once: see Optimizer::takes_rows
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Whether the gradient of the word embeddings, the first parameter, is given to `step` for `rows` alone. The other rows are
  /// late from then on, until `catch_up`.
  virtual bool takes_rows() const { return false; }
  /// Before a step reads these rows.
  virtual void catch_up(const at::Tensor& rows, Lanes& lanes) {}
  /// Before anything else reads or writes the weights or the state.
  virtual void catch_up(Lanes& lanes) {}
  /// Whether `step` multiplies the gradients by their scale itself.
  virtual bool scales_gradients() const { return false; }
  /// Whether `step` brings Parameter::low up to date.
  virtual bool writes_casts() const { return false; }
  /// One update. `gradients` contiguous, in the order of the parameters.
  virtual void step(const std::vector<at::Tensor>& gradients, const UpdateScalars& scalars) = 0;
  /// Every tensor that the next step depends on, under the name it has in a checkpoint.
  virtual std::vector<std::pair<std::string, at::Tensor>> state() const { return {}; }
};

/// ERR_RAT_INVALID_ARG lists the names if `options.type` is none of them.
std::unique_ptr<Optimizer> make_optimizer(const std::vector<Parameter>& parameters,
                                          const OptimizerOptions& options);

std::unique_ptr<Optimizer> make_adamw(const std::vector<Parameter>& parameters, double weight_decay);
std::unique_ptr<Optimizer> make_bertadam(const std::vector<Parameter>& parameters, double weight_decay);
std::unique_ptr<Optimizer> make_sgd(const std::vector<Parameter>& parameters, double weight_decay);

}  // namespace rat
