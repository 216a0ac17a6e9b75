// Dropout whose masks are a function of a counter, not of a generator's state: Philox 4x32-10 with
//   key     = the dropout stream of the seed
//   counter = (step, example id, site << 16 | layer << 8 | pass, element / 4), word element % 4,
//   element = position * width + channel.
// So the same example has the same mask however it is packed, batched or recomputed, on CPU and CUDA alike;
// nothing is stored between forward and backward.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "core/device_batch.h"
#include "core/step_scalars.h"

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

/// Whose rate a site has.
constexpr DropoutKind kind_of(DropoutSite site) {
  switch (site) {
    case DropoutSite::kAttention:
      return DropoutKind::kAttention;
    case DropoutSite::kSentence:
    case DropoutSite::kHeadInput:
      return DropoutKind::kClassifier;
    default:
      return DropoutKind::kHidden;
  }
}

/// The part of the counter that names a place; the pass is added to it.
constexpr uint32_t dropout_site(DropoutSite site, uint32_t layer) {
  return (static_cast<uint32_t>(site) << 16) | (layer << 8);
}

/// The masks of a tensor's rows at one place of a model.
struct SiteMask {
  MaskRows rows;
  at::Tensor scalars;  // as Dropout::scalars; undefined: nothing is dropped
  DropoutKind kind;
  uint32_t site_and_layer;

  bool is_active() const { return scalars.defined(); }
  /// Of the same rows, with nothing dropped.
  SiteMask inactive() const { return {rows, at::Tensor(), kind, site_and_layer}; }
  /// On the CPU; where there is a mask.
  MaskStream stream(int64_t row) const;
};

/// Dropout of one forward. By default there is none (evaluation).
struct Dropout {
  at::Tensor scalars;                           // the step's StepScalars as bytes, on the device
  std::array<bool, kDropoutKinds> is_active{};  // whether any copy of the forward has a rate above 0
  std::vector<double> attention_rates;          // of the copies, for attention that is not ours; empty: 0

  /// Of the forward with passes `first_pass` .. `first_pass + passes - 1`; `on_device` is a copy of `scalars`.
  Dropout(const StepScalars& scalars, at::Tensor on_device, int64_t first_pass, int64_t passes);
  Dropout() = default;

  bool active(DropoutSite site) const { return is_active[static_cast<size_t>(kind_of(site))]; }
  SiteMask mask(const MaskRows& rows, DropoutSite site, uint32_t layer) const;
};

/// x `[rows, width]` times its masks over (1 - rate). Differentiable. A row's first element is its position
/// times `element_stride`; 0 stands for the width.
at::Tensor dropout(const at::Tensor& x, const MaskRows& rows, const Dropout& settings, DropoutSite site,
                   uint32_t layer, int64_t element_stride = 0);

/// On the CPU: the words of `count` elements from `first` on, drawn into `words`, which has a register's worth behind them.
const uint32_t* draw(const MaskStream& mask, int64_t first, int64_t count, std::vector<uint32_t>& words);

}  // namespace rat
