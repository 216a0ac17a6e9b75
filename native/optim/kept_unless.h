// For optimizers whose operators know no scalars on the device: what an update overwrote comes back if the flag says
// so, without the host knowing, and the learning rate is read where it lies.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "optim/optimizer.h"

namespace rat {

class KeptUnless {
 public:
  /// Copies `tensors` as they are now; not if there is no flag.
  KeptUnless(const at::Tensor& found_inf, std::vector<at::Tensor> tensors)
      : found_inf_(found_inf), tensors_(std::move(tensors)) {
    if (!found_inf_.defined()) return;
    for (const at::Tensor& tensor : tensors_) copies_.push_back(tensor.clone());
  }

  void put_back() const {
    for (size_t i = 0; i < copies_.size(); ++i)
      at::Tensor(tensors_[i]).copy_(at::where(found_inf_ > 0, copies_[i], tensors_[i]));
  }

 private:
  at::Tensor found_inf_;
  std::vector<at::Tensor> tensors_, copies_;
};

/// values <- values - learning rate * scale * update.
inline void descend(at::Tensor& values, const at::Tensor& update, const UpdateScalars& scalars,
                    double scale) {
  if (scalars.device_learning_rate.defined())
    values.sub_(update * (scalars.device_learning_rate * scale).to(update.scalar_type()));
  else
    values.sub_(update, scalars.learning_rate * scale);
}

}  // namespace rat
