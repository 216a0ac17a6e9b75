// A model with its optimizer: what a command of the addon runs on the trainer's thread. No Node here, so that
// it can be tested and benchmarked alone. Not safe for use from two threads.
#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "models/model.h"
#include "objective/rat_step.h"
#include "optim/optimizer.h"
#include "trainer/operator_times.h"

namespace rat {

struct TrainerOptions {
  ModelOptions model;
  ObjectiveOptions objective;
  OptimizerOptions optimizer;
  uint64_t seed = 1;
  std::string device = "cpu";
  at::ScalarType precision = at::kFloat;
  int threads = 1;
  bool profile = false;  // every step; for benchmarks
};

/// Values of one step, read back from the device.
struct StepResult {
  double loss = 0, clean_loss = 0, adversarial_loss = 0, kl_loss = 0;
  double delta_norm = 0;
  double grad_norm = 0;
  bool skipped_perturbation = false;  // the clean gradient's norm was zero
  std::optional<StepTimes> times;     // if they were asked for
};

/// What `save` and `load` move: the weights, the snapshot of the best ones, the optimizer's moments.
enum class StateKind { kModel, kBest, kOptimizer };

class Trainer {
 public:
  /// Sets the thread count of the calling thread, which must make all further calls.
  explicit Trainer(const TrainerOptions& options);

  /// One optimizer step. Throws ERR_RAT_NON_FINITE before anything is updated if a loss or the gradient norm
  /// is NaN or infinite, and ERR_RAT_ABORTED between passes once `cancelled` is set. If the update itself fails,
  /// the weights are neither old nor new, and everything that would use or keep them throws from then on.
  StepResult train_step(const PackedBatch& batch, uint32_t step, double learning_rate,
                        const std::atomic<bool>& cancelled);

  /// Logits without dropout, row-major `[B, C]`.
  std::vector<double> predict(const PackedBatch& batch);

  void save(StateKind what, const std::string& path,
            const std::map<std::string, std::string>& metadata) const;
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

  const Model& model() const { return *model_; }

  /// Memory of everything that stays between steps.
  int64_t bytes() const { return bytes_; }

  /// On the trainer's device, in the type of its products: trainer/operator_times.h.
  OperatorTimes time_operator(const std::string& name, const OperatorShape& shape, int64_t repetitions,
                              const std::atomic<bool>& cancelled) const;

 private:
  using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

  NamedTensors tensors(StateKind what) const;
  std::vector<at::Tensor> gradients(const StepGradients& step_gradients) const;
  BatchLimits limits() const;
  void require_optimizer();
  void require_whole() const;
  void count_bytes();

  TrainerOptions options_;
  at::Device device_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;  // made at the first training step or load
  at::Tensor embedding_gradient_;         // [V, D], zero but for written_rows_
  at::Tensor written_rows_;               // of the last step
  int64_t bytes_ = 0;
  bool is_half_updated_ = false;             // a step failed while the optimizer was at work
  std::vector<at::Tensor> snapshot_;         // host copies, in the order of the parameters
  std::vector<int32_t> vocabulary_scratch_;  // [V], -1 between steps
};

}  // namespace rat
