#include "layers/recurrent.h"

#include <ATen/ATen.h>

#include <tuple>

#include "core/kernels.h"
#include "layers/rows.h"

namespace rat {

// LibTorch's own packed layer: cuDNN.
at::Tensor cuda::bidirectional(const at::Tensor& x, const at::Tensor& batch_sizes,
                               const RecurrentLayer& layer) {
  const int64_t hidden = layer.parameters[1].size(1);
  const int64_t sequences = batch_sizes.const_data_ptr<int64_t>()[0];  // on the host
  const at::Tensor zeros = at::zeros({2, sequences, hidden}, x.options());
  const bool train = x.requires_grad();
  return layer.cell == Cell::kLstm
             ? std::get<0>(at::lstm(x, batch_sizes, {zeros, zeros}, layer.parameters, /*has_biases=*/true,
                                    /*num_layers=*/1, /*dropout=*/0.0, train, /*bidirectional=*/true))
             : std::get<0>(at::gru(x, batch_sizes, zeros, layer.parameters, true, 1, 0.0, train, true));
}

at::Tensor bidirectional(const at::Tensor& x, const TimeMajor& layout, const RecurrentLayer& layer) {
  const at::Tensor by_time = permute_rows(x, layout.order, layout.inverse);
  const at::Tensor states = kernels::bidirectional.on(x.device())(by_time, layout.batch_sizes, layer);
  return permute_rows(states, layout.inverse, layout.order);
}

}  // namespace rat
