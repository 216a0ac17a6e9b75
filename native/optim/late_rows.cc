#include "optim/late_rows.h"

#include <algorithm>

namespace rat {

LateRows::LateRows(AdamWTensors matrix)
    : matrix_(std::move(matrix)),
      width_(matrix_.values.size(1)),
      made_(static_cast<size_t>(matrix_.values.size(0)), 0) {}

void LateRows::catch_up(int64_t row) {
  uint32_t& made = made_[static_cast<size_t>(row)];
  if (made == missed_.size()) return;
  matrix_.replay(row * width_, width_, missed_.data() + made, static_cast<int64_t>(missed_.size() - made));
  made = static_cast<uint32_t>(missed_.size());
}

void LateRows::catch_up(const at::Tensor& rows, Lanes& lanes) {
  if (missed_.empty()) return;
  const int64_t* ids = rows.const_data_ptr<int64_t>();
  const int64_t count = rows.size(0), most = lanes.most();
  lanes.run(most, [&](int64_t lane) {
    for (int64_t i = lane; i < count; i += most) catch_up(ids[i]);
  });
}

void LateRows::catch_up(Lanes& lanes) {
  if (missed_.empty()) return;
  const int64_t rows = matrix_.values.size(0), most = lanes.most();
  lanes.run(most, [&](int64_t lane) {
    for (int64_t row = rows * lane / most; row < rows * (lane + 1) / most; ++row) catch_up(row);
  });
  std::fill(made_.begin(), made_.end(), 0);
  missed_.clear();
}

void LateRows::update(const at::Tensor& rows, const at::Tensor& gradients, const AdamWNumbers& numbers,
                      Lanes& lanes) {
  missed_.push_back(numbers);
  const int64_t* ids = rows.const_data_ptr<int64_t>();
  const auto* gradient = static_cast<const char*>(gradients.const_data_ptr());
  const auto bytes = static_cast<int64_t>(gradients.element_size()) * width_;
  const int64_t count = rows.size(0), most = lanes.most();
  lanes.run(most, [&](int64_t lane) {
    for (int64_t i = count * lane / most; i < count * (lane + 1) / most; ++i) {
      matrix_.update(ids[i] * width_, width_, gradient + i * bytes, numbers);
      made_[static_cast<size_t>(ids[i])] = static_cast<uint32_t>(missed_.size());
    }
  });
}

}  // namespace rat
