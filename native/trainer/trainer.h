// A model with its optimizer: what a command of the addon runs on the trainer's thread. No Node here. Not safe for
// use from two threads.
#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/float32_products.h"
#include "core/lanes.h"
#include "models/model.h"
#include "objective/losses.h"
#include "objective/regularizers/regularizer.h"
#include "optim/optimizer.h"
#include "trainer/diagnostics.h"
#include "trainer/memory_limit.h"
#include "trainer/operator_times.h"
#include "trainer/step_check.h"
#include "trainer/step_graphs.h"

namespace rat {

struct TrainerOptions {
  ModelOptions model;
  bool trains = true;  // else it only predicts, and what follows is not read
  RegularizerOptions regularizer;
  LossOptions loss;
  OptimizerOptions optimizer;
  uint64_t seed = 1;
  std::string device = "cpu";
  at::ScalarType precision = at::kFloat;
  bool tf32 = false;  // products of float on a GPU
  int threads = 1;
  bool profile = false;  // every step; for benchmarks
  int64_t replicas = 1;  // for tests: objective/reduction.h
};

struct StepOptions {
  uint32_t step = 1;  // from 1; keys the dropout masks
  double learning_rate = 0;
  // Of the whole step, where other processes have a part of it; 0: those of the batches.
  int64_t examples = 0;
  double label_weight = 0;  // the weights of all labels' classes
  bool read = true;  // whether the step's values are wanted: on a GPU the host waits for the device then
};

struct StepResult {
  std::optional<StepValues> values;  // always on the CPU
  std::optional<StepTimes> times;    // if they were asked for
};

/// What `save` and `load` move: the weights, the snapshot of the best ones, the optimizer's moments.
enum class StateKind { kModel, kBest, kOptimizer };

class Trainer {
 public:
  /// Sets the thread count of the calling thread, which must make all further calls.
  explicit Trainer(const TrainerOptions& options);

  /// One optimizer step from all of `batches`: one perturbation, one normaliser, one update. Throws
  /// ERR_RAT_NON_FINITE before anything is updated if a loss or the gradient norm is NaN or infinite (on a GPU
  /// at the next call that reads, with nothing updated since), and ERR_RAT_ABORTED between passes once
  /// `cancelled` is set. If the update itself fails, the weights are neither old nor new, and everything that
  /// would use or keep them throws from then on.
  StepResult train_step(const std::vector<PackedBatch>& batches, const StepOptions& options,
                        const std::atomic<bool>& cancelled);

  /// Logits without dropout, row-major `[B, C]`.
  std::vector<double> predict(const PackedBatch& batch);

  /// What `batch`, which has labels, shows of the model as it is: trainer/diagnostics.h.
  Diagnostics diagnose(const PackedBatch& batch, int64_t submodels);

  void save(StateKind what, const std::string& path, const std::map<std::string, std::string>& metadata);
  /// All or nothing: names, shapes and dtypes are checked before the first tensor is overwritten. Tensors
  /// whose names begin with `except` stay as they are, whatever the file has for them; empty: there are none.
  void load(StateKind what, const std::string& path, const std::string& except = "");

  /// Copies tensors of any safetensors file into parameters: `names` maps a parameter's name to the tensor's.
  /// All or nothing, as `load`.
  void load_tensors(const std::string& path, const std::map<std::string, std::string>& names);

  void snapshot();
  void restore();

  /// Overwrites rows of the word embeddings; `values` is `[rows, D]`.
  void set_embedding_rows(const std::vector<int32_t>& rows, const std::vector<float>& values);

  /// What each class counts in the supervised loss from now on, `[C]`.
  void set_class_weights(const std::vector<double>& weights);

  const Model& model() const { return *models_.front(); }

  /// Memory of everything that stays between steps.
  int64_t bytes() const { return bytes_; }

  /// On the trainer's device, in the type of its products: trainer/operator_times.h.
  OperatorTimes time_operator(const std::string& name, const OperatorShape& shape, int64_t repetitions,
                              const std::atomic<bool>& cancelled);

 private:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  NamedTensors tensors(StateKind what) const;
  std::vector<at::Tensor> gradients(const at::Tensor& of_embedding_rows) const;
  void join_gradients();
  void reduce(StepLog<at::Tensor>& log, const std::vector<at::Tensor>& gradients);
  void update(const Step& step, StepLog<at::Tensor>& log);
  void seed_generator(uint32_t step) const;
  std::optional<StepSize> recorded_size(const std::vector<PackedBatch>& batches,
                                        const Normaliser& normaliser) const;
  StepResult make_step(const std::vector<PackedBatch>& batches, const StepOptions& options,
                       const std::atomic<bool>& cancelled);
  std::vector<double> logits_of(const PackedBatch& batch);
  BatchLimits limits() const;
  Normaliser normaliser_of(const std::vector<PackedBatch>& batches, const StepOptions& options) const;
  void require_optimizer();
  void require_whole() const;
  void require_sound();
  void count_bytes();
  void update_average(double decay);
  void catch_up();
  void refresh_casts();

  TrainerOptions options_;
  at::Device device_;
  OwnStream stream_;
  Lanes lanes_;
  Float32Products products_;
  std::vector<std::unique_ptr<Model>> models_;  // one for each lane, on the same weights
  std::unique_ptr<Regularizer> regularizer_;
  std::unique_ptr<Reduction> reduction_;  // none: this process has the whole step
  std::vector<Parameter> trainable_;
  std::unique_ptr<Optimizer> optimizer_;  // made at the first training step or load, of the trainable ones
  /// The average of the weights since then, made likewise; if the regularizer needs one.
  std::unique_ptr<Model> average_;
  StepCheck check_;
  at::Tensor embedding_gradient_;  // [V, D], zero between steps; if the optimizer wants all of it
  StepGraphs graphs_;
  MemoryLimit step_memory_{device_, "a step"}, prediction_memory_{device_, "a prediction"};
  int64_t bytes_ = 0;
  bool casts_are_old_ = true;                // weights have changed since Model::cast_weights
  bool is_half_updated_ = false;             // a step failed while the optimizer was at work
  std::vector<at::Tensor> snapshot_;         // host copies, in the order of the parameters
  std::vector<int32_t> vocabulary_scratch_;  // [V], -1 between steps
  std::vector<double> class_weights_;        // as options_.loss has them; empty: all 1
};

}  // namespace rat
