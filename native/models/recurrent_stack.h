// The bidirectional recurrent layers that BiLSTM and TextHAN share: parameters under PyTorch's names,
// and their forward.
#pragma once

#include <string>
#include <vector>

#include "layers/linear.h"
#include "layers/recurrent.h"
#include "models/initializer.h"
#include "models/model.h"

namespace rat {

class RecurrentModel : public Model {
 public:
  RowIndices row_indices() const override { return {.time_major = true}; }

 protected:
  /// Adds word embeddings and `options.layers` layers named as `nn.LSTM` or `nn.GRU` under `prefix` would be.
  RecurrentModel(const ModelOptions& options, Cell cell, const std::string& prefix, Initializer& initializer);

  /// Hidden states of the top layer `[tokens, 2 H]`; dropout between layers.
  at::Tensor states(const at::Tensor& x, const ForwardRows& rows, const Dropout& dropout) const;

  /// Adds the classifier over `features` inputs; call last in a constructor.
  void add_classifier(int64_t features, Initializer& initializer);
  at::Tensor classify(const at::Tensor& sentence) const;

 private:
  LinearLayer classifier_;
  std::vector<RecurrentLayer> layers_;
};

}  // namespace rat
