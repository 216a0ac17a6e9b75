// THE HOT PATH: the loss of one step and all its gradients, for plain training, FGM, R-Drop and R-AT. It does
// not update anything; native/trainer/ does.
#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/device_batch.h"
#include "core/profile.h"
#include "models/model.h"
#include "objective/losses.h"

namespace rat {

enum class Method { kNone, kFgm, kRDrop, kRat };

struct ObjectiveOptions {
  Method method = Method::kNone;
  LossOptions loss;
  std::vector<double> epsilon;          // L2 radius of delta for each of the K forwards
  double clean_dropout = 0;             // rate of the clean pass
  std::vector<double> forward_dropout;  // rate of each of the K forwards
  int64_t forwards() const { return static_cast<int64_t>(forward_dropout.size()); }
  /// Copies of each forward of a step, for DeviceBatchOptions.
  std::vector<int64_t> copies() const;
};

/// Gradients of a step. Those of all other parameters are in their `grad()`.
struct StepGradients {
  /// [U + 1, D]: the matrix's gradient on the batch's tokens; row U (padding) is zero.
  at::Tensor embedding_rows;
};

/// Losses as log.jsonl names them, still on the device: reading them waits for it, so the caller chooses
/// when.
struct StepLosses {
  at::Tensor clean;        // [2] double: supervised, consistency of the clean forwards (R-Drop)
  at::Tensor adversarial;  // [2] double: supervised, consistency of the adversarial forwards
  at::Tensor delta_norms;  // [K] double: L2 norm of each delta that was added; undefined without perturbation
};

struct StepContext {
  uint32_t step = 0;  // from 1; part of the dropout counter
  PhiloxKey dropout_key{0, 0};
  const std::atomic<bool>* cancelled = nullptr;  // polled between passes: throws ERR_RAT_ABORTED
  StepProfile* profile = nullptr;                // told at the end of each phase
};

/// One step of `options.method` (R-AT, Algorithm 1). Gradients are added to whatever the parameters' `grad()`
/// hold. `batch` is on the model's device, with the forwards of `options.copies()`.
StepLosses rat_step(const Model& model, const DeviceBatch& batch, const ObjectiveOptions& options,
                    const StepContext& context, StepGradients& gradients);

}  // namespace rat
