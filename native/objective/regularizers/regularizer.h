// A regularizer is one file here, composed of passes, and a line in registry.cc.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "objective/step.h"
#include "objective/step_log.h"

namespace rat {

/// What the regularizers read; each takes its own part.
struct RegularizerOptions {
  std::string type = "none";
  std::vector<double> epsilon{0};          // L2 radius of delta for each of the K forwards
  double clean_dropout = 0;                // rate of the clean pass
  std::vector<double> forward_dropout{0};  // rate of each of the K forwards
  Scope scope = Scope::kMatrix;            // of delta
  int64_t ascent_steps = 1;                // of the methods that climb
  double step_size = 0;                    // of an ascent, as an L2 norm
  bool starts_at_zero = true;              // else at uniform noise
  bool same_masks = false;             // whether all steps of an ascent have the dropout masks of the first
  Noise noise = Noise::kUniform;       // of r3f
  double bregman_weight = 0;           // of smart; 0: without
  double bregman_decay = 0;            // of the average of the weights, a step
  std::vector<int32_t> spared_tokens;  // ids that no perturbation touches
};

/// Where the ascents begin.
Perturbation start_of(const RegularizerOptions& options, const Step& step);

class Regularizer {
 public:
  virtual ~Regularizer() = default;

  /// The forwards that a step makes of each batch.
  virtual std::vector<ForwardLayout> forwards() const = 0;
  /// Of its perturbations, if it has any.
  virtual Scope scope() const { return Scope::kMatrix; }
  /// Whether its steps need an average of the weights, and how much of it stays in a step.
  virtual std::optional<double> average_decay() const { return {}; }

  /// All passes of one step.
  virtual StepLog<at::Tensor> run(Step& step) const = 0;
};

/// The regularizer that `options.type` names; ERR_RAT_INVALID_ARG lists the names if it is none of them, and
/// says which options do not fit it.
std::unique_ptr<Regularizer> make_regularizer(const RegularizerOptions& options);

std::unique_ptr<Regularizer> make_freelb(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_none(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_fgm(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_pgd(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_r_drop(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_r3f(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_smart(const RegularizerOptions& options);
std::unique_ptr<Regularizer> make_r_at(const RegularizerOptions& options);

}  // namespace rat
