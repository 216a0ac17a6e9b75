// Dropout whose masks are a function of a counter, not of a generator's state: Philox 4x32-10 with
//   key     = the dropout stream of the seed
//   counter = (step, example id, site << 16 | layer << 8 | pass, element / 4), word element % 4,
//   element = position * width + channel.
// So the same example has the same mask however it is packed, batched or recomputed, on CPU and CUDA alike;
// nothing is stored between forward and backward.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/device_batch.h"
#include "core/random.h"

namespace rat {

/// Where in a model a mask is applied; part of the counter, so the numbers are fixed.
enum class DropoutSite : uint32_t {
  kBetweenLayers = 1,
  kSentence = 2,
  kEmbeddings = 3,
  kAttention = 4,
  kAttentionOutput = 5,
  kFeedForward = 6,
  kHeadInput = 7,
};

/// The part of the counter that names a place; the pass is added to it.
constexpr uint32_t dropout_site(DropoutSite site, uint32_t layer) {
  return (static_cast<uint32_t>(site) << 16) | (layer << 8);
}

/// Stands for the rate that the model itself has at a site.
constexpr double kModelsRate = -1;

/// Dropout of one forward; `rates[pass]` for every pass that its rows name. No rates: no dropout
/// (evaluation).
struct Dropout {
  PhiloxKey key{0, 0};
  uint32_t step = 0;
  std::vector<double> rates;

  bool active() const;
  /// The same with `rate` where the rate is left to the model.
  Dropout with_models_rate(double rate) const;
};

/// The first word of a mask below this is dropped: rate * 2^32.
uint32_t dropout_threshold(double rate);

/// x `[rows, width]` times its masks over (1 - rate). Differentiable. A row's first element is its position
/// times `element_stride`; 0 stands for the width.
at::Tensor dropout(const at::Tensor& x, const MaskRows& rows, const Dropout& settings, DropoutSite site,
                   uint32_t layer, int64_t element_stride = 0);

}  // namespace rat
