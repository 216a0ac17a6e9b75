#include "layers/attention_pool.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>

namespace rat {
namespace {

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
  at::parallel_for(0, out.size(0), 1, [&](int64_t from, int64_t to) {
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
  at::parallel_for(0, douts.size(0), 1, [&](int64_t from, int64_t to) {
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
                            const std::vector<int64_t>& starts) {
    at::Tensor weights = at::empty_like(scores);
    at::Tensor out = at::zeros({static_cast<int64_t>(starts.size()) - 1, values.size(1)}, values.options());
    AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "attention_pool",
                               [&] { forward_cpu<scalar_t>(scores, values, starts, weights, out); });
    context->save_for_backward({values, weights});
    context->saved_data["starts"] = starts;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto starts = context->saved_data["starts"].toIntVector();
    at::Tensor dscores = at::empty_like(saved[1]), dvalues = at::empty_like(saved[0]);
    AT_DISPATCH_FLOATING_TYPES(saved[0].scalar_type(), "attention_pool_backward", [&] {
      backward_cpu<scalar_t>(gradients[0].contiguous(), saved[0], saved[1], starts, dscores, dvalues);
    });
    return {dscores, dvalues, {}};
  }
};

/// The same from ATen's operators, for devices without a kernel of ours.
at::Tensor attention_pool_composite(const at::Tensor& scores, const at::Tensor& values,
                                    const ForwardRows& rows) {
  const at::Tensor lengths = rows.starts_index.diff();
  const at::Tensor sequence = at::repeat_interleave(lengths, /*output_size=*/scores.size(0));
  // Any constant of the sequence may be taken off before the exponential; its gradient cancels, so none is
  // needed.
  const at::Tensor highest =
      at::full({rows.sequences}, -std::numeric_limits<double>::infinity(), scores.options())
          .scatter_reduce(0, sequence, scores.detach(), "amax");
  const at::Tensor weights = (scores - highest.index_select(0, sequence)).exp();
  const at::Tensor totals = at::zeros({rows.sequences}, scores.options()).index_add(0, sequence, weights);
  const at::Tensor sums = at::zeros({rows.sequences, values.size(1)}, values.options())
                              .index_add(0, sequence, weights.unsqueeze(1) * values);
  return sums / totals.unsqueeze(1);
}

}  // namespace

at::Tensor attention_pool(const at::Tensor& scores, const at::Tensor& values, const ForwardRows& rows) {
  if (!scores.device().is_cpu()) return attention_pool_composite(scores, values, rows);
  return AttentionPool::apply(scores.contiguous(), values.contiguous(), rows.starts);
}

}  // namespace rat
