#include "layers/recurrent.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "layers/recurrent_cpu.h"

namespace rat {
namespace {

/// LibTorch's own packed layer: cuDNN on CUDA.
at::Tensor bidirectional_aten(const at::Tensor& x, const at::Tensor& batch_sizes,
                              const RecurrentLayer& layer) {
  const int64_t hidden = layer.parameters[1].size(1);
  const at::Tensor zeros = at::zeros({2, batch_sizes[0].item<int64_t>(), hidden}, x.options());
  const bool train = x.requires_grad();
  return layer.cell == Cell::kLstm
             ? std::get<0>(at::lstm(x, batch_sizes, {zeros, zeros}, layer.parameters, /*has_biases=*/true,
                                    /*num_layers=*/1, /*dropout=*/0.0, train, /*bidirectional=*/true))
             : std::get<0>(at::gru(x, batch_sizes, zeros, layer.parameters, true, 1, 0.0, train, true));
}

}  // namespace

TimeMajor time_major(const ForwardRows& rows, at::Device device) {
  const auto length = [&](int64_t s) { return rows.starts[s + 1] - rows.starts[s]; };
  std::vector<int64_t> by_length(static_cast<size_t>(rows.sequences));
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(),
                   [&](int64_t a, int64_t b) { return length(a) > length(b); });

  at::Tensor order = at::empty({rows.tokens}, at::kLong);
  at::Tensor inverse = at::empty({rows.tokens}, at::kLong);
  at::Tensor batch_sizes = at::empty({rows.longest}, at::kLong);
  auto* to_packed = order.data_ptr<int64_t>();
  auto* to_time_major = inverse.data_ptr<int64_t>();
  auto* sizes = batch_sizes.data_ptr<int64_t>();
  int64_t row = 0;
  auto alive = static_cast<int64_t>(by_length.size());
  for (int64_t t = 0; t < rows.longest; ++t) {
    while (length(by_length[static_cast<size_t>(alive - 1)]) <= t) --alive;
    sizes[t] = alive;
    for (int64_t i = 0; i < alive; ++i, ++row) {
      to_packed[row] = rows.starts[by_length[static_cast<size_t>(i)]] + t;
      to_time_major[to_packed[row]] = row;
    }
  }
  return {order.to(device), inverse.to(device), batch_sizes};
}

at::Tensor bidirectional(const at::Tensor& x, const TimeMajor& layout, const RecurrentLayer& layer) {
  const at::Tensor by_time = x.index_select(0, layout.order);
  const at::Tensor states = by_time.device().is_cpu()
                                ? bidirectional_cpu(by_time, layout.batch_sizes, layer)
                                : bidirectional_aten(by_time, layout.batch_sizes, layer);
  return states.index_select(0, layout.inverse);
}

}  // namespace rat
