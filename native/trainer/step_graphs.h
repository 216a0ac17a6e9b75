// Steps on a GPU as CUDA graphs. A short step is hundreds of launches that the host cannot make as fast as the device does
// them; a graph of all of them is one. A graph is of one shape, so batches are rounded up to few sizes (filler:
// core/device_batch.h), and a size that comes back is recorded.
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/device_batch.h"
#include "core/device_graph.h"
#include "models/options.h"
#include "objective/losses.h"

namespace rat {

/// What steps that one graph does have in common: all that the host puts into it.
struct StepSize {
  std::vector<BatchSize> batches;
  std::vector<int64_t> examples;  // of each
  Normaliser normaliser;
  auto operator<=>(const StepSize&) const = default;
};

/// How many tokens a batch has, about, for which a device that multiplies `product_rate` FLOP/s takes as long as the host that
/// launches it: for more, the host is ahead anyway.
int64_t host_bound_tokens(const ModelOptions& model, const std::vector<ForwardLayout>& forwards,
                          double product_rate);

class StepGraphs {
 public:
  /// Of batches of at most so many tokens.
  StepGraphs(at::Device device, int64_t most_tokens) : device_(device), most_tokens_(most_tokens) {}

  /// None for a step that has a larger batch. `longest` (0: any) and `token_types` are the most that the model has.
  std::optional<StepSize> size_of(const std::vector<PackedBatch>& batches, const Normaliser& normaliser,
                                  int64_t longest, int64_t token_types) const;

  /// Where the batches of a step of this size have to be; undefined before the first.
  at::Tensor memory_of(const StepSize& size) const;

  /// Takes a step whose batches are in `memory`: the first of a size by calling `work`, which also makes whatever LibTorch makes
  /// once; the others by a graph of it, recorded when the second comes. What `work` does must depend on nothing but the size and
  /// what is on the device. Where it cannot be recorded, `work` is called, and a warning written once.
  void take(const StepSize& size, const at::Tensor& memory, const std::function<void()>& work);

 private:
  struct SizedStep {
    at::Tensor memory;
    std::unique_ptr<DeviceGraph> graph;
    bool can_record = true;
    int64_t last_use = 0;
  };

  bool record(SizedStep& step, const std::function<void()>& work);
  void make_room();

  at::Device device_;
  int64_t most_tokens_;
  std::map<StepSize, SizedStep> steps_;
  int64_t uses_ = 0;
  bool can_record_ = true;
};

}  // namespace rat
