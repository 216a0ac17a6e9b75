// One step in the making: what regularizers are composed of. A pass is one forward and backward of every batch of
// the step; the step sums up the gradients of its passes.
#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/device_batch.h"
#include "core/lanes.h"
#include "core/profile.h"
#include "models/model.h"
#include "objective/losses.h"
#include "objective/perturbation.h"
#include "objective/reduction.h"

namespace rat {

struct StepContext {
  const std::atomic<bool>* cancelled = nullptr;  // polled between passes: throws ERR_RAT_ABORTED
  StepProfile* profile = nullptr;                // told at the end of each phase
  Reduction* reduction = nullptr;
  Lanes* lanes = nullptr;
  const Model* average = nullptr;  // of the weights so far; for a regularizer that asks for it
};

struct Pass {
  size_t forward = 0;                   // which of the regularizer's forwards
  const Perturbation* delta = nullptr;  // added to the embedded rows; none: they are repeated as they are
  double weight = 1;                    // of the losses and all gradients
  std::optional<int64_t> supervised_forwards = {};  // as LossWeights'
  /// Of the consistency of the first copy with what the averaged weights say, a constant.
  double bregman_weight = 0;
  size_t bregman_forward = 0;       // that one's, of one copy: neither perturbation nor dropout
  bool keeps_parameters = true;     // whether parameters get gradients, the word embeddings included
  std::optional<Scope> slope = {};  // whether the result has one, and of what scope
};

struct PassResult {
  at::Tensor supervised;   // 0-dimensional double, on the device
  at::Tensor consistency;  // likewise, without its weight; 0 for a forward of one copy
  at::Tensor bregman;      // likewise; undefined for a pass without it
  /// The gradient that a perturbation begins with, in what the last copy was given, as Perturbation::values without the K;
  /// of all processes where it is one for all. Valid until the next pass.
  std::vector<at::Tensor> slope;
};

class Step {
 public:
  /// `models`: one for each lane. Batch `m` goes through lane `m` modulo their number, which adds its gradients to
  /// those of its own model.
  Step(const std::vector<std::unique_ptr<Model>>& models, const DeviceStep& batches,
       const std::vector<ForwardLayout>& forwards, const LossOptions& loss, const Normaliser& normaliser,
       const StepContext& context);

  PassResult run(const Pass& pass);

  /// The word-embedding matrix's gradient on the step's tokens, of all kept passes so far: `[U + 1, D]`; row U
  /// (padding) is zero.
  const at::Tensor& embedding_gradient() const { return embedding_gradient_; }

  const DeviceStep& batches() const { return batches_; }
  /// `[V, D]`
  const at::Tensor& word_embedding() const { return models_[0]->word_embedding(); }

  /// Ends a phase of the profile.
  void mark(const char* phase) { rat::mark(context_.profile, phase); }

 private:
  struct Lane;
  struct BatchResult;

  BatchResult run_batch(size_t batch, const Pass& pass, const Dropout& dropout, Lane& lane) const;
  at::Tensor embedded(size_t batch, const Pass& pass) const;
  ForwardLosses bregman_losses(const at::Tensor& logits, size_t batch, const Pass& pass) const;
  at::Tensor no_gradient() const;

  const std::vector<std::unique_ptr<Model>>& models_;
  const DeviceStep& batches_;
  std::vector<ForwardLayout> forwards_;
  LossOptions loss_;
  Normaliser normaliser_;
  StepContext context_;
  at::Tensor embedding_gradient_;
  bool has_kept_ = false;  // whether a pass has added to it
};

}  // namespace rat
