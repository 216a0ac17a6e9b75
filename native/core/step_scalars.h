// The numbers that change from step to step, as one piece of plain data that lies where the kernels read it:
// what a step launches is then the same in every step, as a CUDA graph needs it. What the device itself computes
// stays there as tensors: gradient norm, clip factor, the optimizers' counts of steps, whether all is finite.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/random.h"

namespace rat {

/// Places of a model whose dropout rates may differ.
enum class DropoutKind : uint32_t { kHidden, kAttention, kClassifier };
constexpr size_t kDropoutKinds = 3;
using DropoutRates = std::array<double, kDropoutKinds>;

/// Most forwards of one pass, K. `lib/config/fields.ts` has the same.
constexpr int64_t kMaxForwards = 8;

/// Most dropout passes of a step.
constexpr size_t kMaxPasses = 32;

/// Stands for the rate that the model itself has at a place.
constexpr double kModelsRate = -1;

/// A forward that a step makes of each of its batches: copies laid end to end, one for each rate, with dropout
/// passes of their own from `first_pass` on.
struct ForwardLayout {
  int64_t first_pass = 0;
  std::vector<double> rates{0};  // kModelsRate leaves one to the model
  int64_t copies() const { return static_cast<int64_t>(rates.size()); }
};

struct StepScalars {
  PhiloxKey dropout_key{0, 0};
  PhiloxKey ascent_key{0, 0};
  uint32_t step = 0;  // from 1; part of the counters of both
  double learning_rate = 0;
  double distinct_tokens = 0;  // of all batches of the step; DeviceStep writes it
  uint32_t dropout_threshold[kDropoutKinds][kMaxPasses] = {};
  double dropout_scale[kDropoutKinds][kMaxPasses] = {};  // 1 / (1 - rate)

  /// The rates of every pass; kModelsRate takes `models`, by kind.
  void set_dropout(const std::vector<ForwardLayout>& forwards, const DropoutRates& models);
};

/// The masks of one example at one place of a model in one pass: element e is kept if word e % 4 of block e / 4 is at least
/// the threshold. On CPU and CUDA alike.
struct MaskStream {
  PhiloxKey key;
  uint32_t step, example;
  uint32_t place;  // site, layer and pass
  uint32_t threshold;
  double scale;  // of what is kept

  RAT_HOST_DEVICE PhiloxBlock block(uint32_t index) const {
    return philox4x32_10({{step, example, place, index}}, key);
  }
};

RAT_HOST_DEVICE MaskStream mask_stream(const StepScalars& scalars, DropoutKind kind, uint32_t site_and_layer,
                                       int32_t pass, int32_t example) {
  const auto k = static_cast<uint32_t>(kind), p = static_cast<uint32_t>(pass);
  return {scalars.dropout_key,
          scalars.step,
          static_cast<uint32_t>(example),
          site_and_layer | p,
          scalars.dropout_threshold[k][p],
          scalars.dropout_scale[k][p]};
}

/// The first word of a mask below this is dropped: rate * 2^32.
uint32_t dropout_threshold(double rate);

}  // namespace rat
