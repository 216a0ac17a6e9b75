// What section 6 of the R-AT paper (Ni et al., 2022) says that its training does to a model, measured: how steep the loss is
// around a sample, and how far the sub-models that dropout makes are from each other and from the model without dropout.
#pragma once

#include <cstdint>

#include "core/batch.h"
#include "models/model.h"
#include "objective/losses.h"

namespace rat {

/// Sums over the examples of a batch.
struct Diagnostics {
  double input_gradient_norm = 0;  // ||grad_x L||_2 without dropout, of the embedded sample (equation 15)
  double submodel_divergence =
      0;  // bidirectional KL between sub-models, mean over their pairs; scores: (y - y')^2
  double averaging_gap =
      0;  // between the mean of the sub-models' predictions and the model's without dropout
          // (equations 16 to 21): total variation distance; scores: the absolute difference
};

struct DiagnosticsOptions {
  int64_t submodels = 4;  // M: as many dropout samples
  double dropout = 0;     // their rate; kModelsRate leaves it to the model
  PhiloxKey key{};        // of their masks, which are the same at every call
};

/// Changes nothing. `scratch` as DeviceStep's; `labels` have the type of the weights where they are no classes.
Diagnostics diagnose(const Model& model, const PackedBatch& batch, const LossOptions& loss,
                     const DiagnosticsOptions& options, std::vector<int32_t>& scratch, at::Device device);

}  // namespace rat
