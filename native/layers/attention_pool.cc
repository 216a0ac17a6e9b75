#include "layers/attention_pool.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

#include "core/kernels.h"
#include "core/lanes.h"

namespace rat {
namespace {

constexpr int64_t kSequencesOfPart = 16;  // longer work than to wake a thread

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <typename scalar_t>
void forward_cpu(const at::Tensor& scores, const at::Tensor& values, const std::vector<int64_t>& starts,
                 at::Tensor& weights, at::Tensor& out) {
  const int64_t width = values.size(1);
  const auto* score = scores.const_data_ptr<scalar_t>();
  const auto* value = values.const_data_ptr<scalar_t>();
  auto* weight = weights.data_ptr<scalar_t>();
  auto* result = out.data_ptr<scalar_t>();
  in_parallel(out.size(0), kSequencesOfPart, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      scalar_t highest = -std::numeric_limits<scalar_t>::infinity(), total = 0;
      for (int64_t t = starts[s]; t < starts[s + 1]; ++t)
        if (!(score[t] <= highest)) highest = score[t];
      for (int64_t t = starts[s]; t < starts[s + 1]; ++t) total += weight[t] = std::exp(score[t] - highest);
      for (int64_t t = starts[s]; t < starts[s + 1]; ++t) {
        weight[t] /= total;
        for (int64_t i = 0; i < width; ++i) result[s * width + i] += weight[t] * value[t * width + i];
      }
    }
  });
}

/// dscore[t] = weight[t] * (dout . value[t] - sum over t' of weight[t'] dout . value[t']).
template <typename scalar_t>
void backward_cpu(const at::Tensor& douts, const at::Tensor& values, const at::Tensor& weights,
                  const std::vector<int64_t>& starts, at::Tensor& dscores, at::Tensor& dvalues) {
  const int64_t width = values.size(1);
  const auto* dout = douts.const_data_ptr<scalar_t>();
  const auto* value = values.const_data_ptr<scalar_t>();
  const auto* weight = weights.const_data_ptr<scalar_t>();
  auto* dscore = dscores.data_ptr<scalar_t>();
  auto* dvalue = dvalues.data_ptr<scalar_t>();
  in_parallel(douts.size(0), kSequencesOfPart, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      const scalar_t* d = dout + s * width;
      scalar_t mean = 0;
      for (int64_t t = starts[s]; t < starts[s + 1]; ++t) {
        scalar_t product = 0;
        for (int64_t i = 0; i < width; ++i) {
          product += d[i] * value[t * width + i];
          dvalue[t * width + i] = weight[t] * d[i];
        }
        dscore[t] = product;
        mean += weight[t] * product;
      }
      for (int64_t t = starts[s]; t < starts[s + 1]; ++t) dscore[t] = weight[t] * (dscore[t] - mean);
    }
  });
}

class AttentionPool : public torch::autograd::Function<AttentionPool> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& scores, const at::Tensor& values,
                            const ForwardRows* rows) {
    const auto [weights, out] =
        kernels::attention_pool.on(values.device())(scores, values, rows->starts, rows->starts_index);
    context->save_for_backward({values, weights, rows->starts_index});
    context->saved_data["starts"] = rows->starts;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto [dscores, dvalues] = kernels::attention_pool_backward.on(saved[0].device())(
        gradients[0].contiguous(), saved[0], saved[1], context->saved_data["starts"].toIntVector(), saved[2]);
    return {dscores, dvalues, {}};
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor> cpu::attention_pool(const at::Tensor& scores, const at::Tensor& values,
                                                       const std::vector<int64_t>& starts,
                                                       const at::Tensor&) {
  at::Tensor weights = at::empty_like(scores);
  at::Tensor out = at::zeros({static_cast<int64_t>(starts.size()) - 1, values.size(1)}, values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "attention_pool",
                             [&] { forward_cpu<scalar_t>(scores, values, starts, weights, out); });
  return {weights, out};
}

std::tuple<at::Tensor, at::Tensor> cpu::attention_pool_backward(const at::Tensor& dout,
                                                                const at::Tensor& values,
                                                                const at::Tensor& weights,
                                                                const std::vector<int64_t>& starts,
                                                                const at::Tensor&) {
  at::Tensor dscores = at::empty_like(weights), dvalues = at::empty_like(values);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "attention_pool_backward", [&] {
    backward_cpu<scalar_t>(dout, values, weights, starts, dscores, dvalues);
  });
  return {dscores, dvalues};
}

at::Tensor attention_pool(const at::Tensor& scores, const at::Tensor& values, const ForwardRows& rows) {
  return AttentionPool::apply(scores.contiguous(), values.contiguous(), &rows);
}

}  // namespace rat
