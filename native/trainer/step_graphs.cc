#include "trainer/step_graphs.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>

namespace rat {
namespace {

/// What a launch takes of the host, autograd's share with it, and how many there are (benchmarks/results/gpu-on-paper.md).
constexpr double kSecondsOfLaunch = 5e-6;
constexpr double kLaunchesOfLayer = 45, kOtherLaunches = 150;  // in one pass; in a step
/// Of its rate on paper, what a device reaches in products.
constexpr double kProductEfficiency = 0.7;
/// Lengths are rounded up to a tile of attention.
constexpr int64_t kLengthUnit = 64;
constexpr size_t kMostSizes = 64;

/// To the next of 16 sizes an octave, from 256 on: 2 % of filler on average.
int64_t rounded_up(int64_t tokens) {
  const auto unit =
      std::max<int64_t>(16, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(tokens))) / 16);
  return (tokens + unit - 1) / unit * unit;
}

/// Multiplications with weights for one token.
double multiplications(const ModelOptions& model) {
  const auto width = static_cast<double>(model.hidden_size);
  if (model.type == "encoder")
    return static_cast<double>(model.layers) *
           (4 * width * width + 2 * width * static_cast<double>(model.encoder.intermediate_size));
  double taps = 0;  // none in recurrent models, whose steps are not recorded
  for (const int64_t window : model.windows) taps += static_cast<double>(window);
  return taps * width * static_cast<double>(model.embedding_size);
}

}  // namespace

int64_t host_bound_tokens(const ModelOptions& model, const std::vector<ForwardLayout>& forwards,
                          double product_rate) {
  double copies = 0;
  for (const ForwardLayout& forward : forwards) copies += static_cast<double>(forward.copies());
  const double launches =
      kLaunchesOfLayer * static_cast<double>(model.layers * static_cast<int64_t>(forwards.size())) +
      kOtherLaunches;
  const double of_token = 3 * 2 * multiplications(model) * copies;  // forward, and twice as much backward
  const double tokens =
      launches * kSecondsOfLaunch * kProductEfficiency * product_rate / std::max(of_token, 1.0);
  return static_cast<int64_t>(std::min(tokens, 1e6));
}

std::optional<StepSize> StepGraphs::size_of(const std::vector<PackedBatch>& batches,
                                            const Normaliser& normaliser, int64_t longest,
                                            int64_t token_types) const {
  StepSize size{.normaliser = normaliser};
  for (const PackedBatch& batch : batches) {
    if (batch.token_count() > most_tokens_) return std::nullopt;
    const int64_t length = (batch.longest() + kLengthUnit - 1) / kLengthUnit * kLengthUnit;
    size.batches.push_back({.tokens = rounded_up(batch.token_count()),
                            .longest = longest > 0 ? std::min(length, longest) : length,
                            .token_types = batch.token_types.empty() ? 0 : token_types});
    size.examples.push_back(batch.examples());
  }
  return size;
}

at::Tensor StepGraphs::memory_of(const StepSize& size) const {
  const auto found = steps_.find(size);
  return found == steps_.end() ? at::Tensor() : found->second.memory;
}

void StepGraphs::take(const StepSize& size, const at::Tensor& memory, const std::function<void()>& work) {
  const auto found = steps_.find(size);
  if (found == steps_.end()) {
    work();
    steps_[size] = {.memory = memory, .last_use = ++uses_};
    return make_room();
  }
  SizedStep& step = found->second;
  step.last_use = ++uses_;
  if (step.graph || record(step, work)) return step.graph->replay();
  work();
}

bool StepGraphs::record(SizedStep& step, const std::function<void()>& work) {
  if (!can_record_ || !step.can_record) return false;
  const auto other = std::find_if(steps_.begin(), steps_.end(),
                                  [](const auto& each) { return each.second.graph != nullptr; });
  auto graph = make_device_graph(device_, other == steps_.end() ? nullptr : other->second.graph.get());
  try {
    graph->record(work);
  } catch (const c10::OutOfMemoryError&) {
    step.can_record = false;
    TORCH_WARN(
        "Steps as large as this one are taken without CUDA graphs, for which there is not enough memory");
    return false;
  } catch (const c10::Error& error) {
    can_record_ = false;
    TORCH_WARN("Steps are taken without CUDA graphs, which short ones are slower for: ",
               error.what_without_backtrace());
    return false;
  }
  step.graph = std::move(graph);
  return true;
}

/// The one that was not used for the longest time goes.
void StepGraphs::make_room() {
  if (steps_.size() <= kMostSizes) return;
  steps_.erase(std::min_element(steps_.begin(), steps_.end(), [](const auto& a, const auto& b) {
    return a.second.last_use < b.second.last_use;
  }));
}

}  // namespace rat
