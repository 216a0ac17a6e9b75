// CUDA side of layers/attention_pool.h: one block a sequence.
#include <ATen/Dispatch.h>

#include "core/kernels.h"
#include "cuda/launch.h"
#include "cuda/reduce.cuh"
#include "layers/attention_pool.h"

namespace rat::cuda {
namespace {

constexpr int kPoolThreads = 128;

template <typename scalar_t>
__global__ void pool_forward(const scalar_t* scores, const scalar_t* values, const int64_t* starts,
                             int64_t width, scalar_t* weights, scalar_t* out) {
  RAT_SHARED(double, scratch, kPoolThreads);
  const int64_t s = blockIdx.x, begin = starts[s], end = starts[s + 1];
  double highest = -INFINITY, total = 0;
  for (int64_t t = begin + threadIdx.x; t < end; t += blockDim.x) {
    const double score = scores[t];
    if (!(score <= highest)) highest = score;
  }
  highest = block_max(highest, scratch);
  for (int64_t t = begin + threadIdx.x; t < end; t += blockDim.x) total += exp(scores[t] - highest);
  total = block_sum(total, scratch);
  for (int64_t t = begin + threadIdx.x; t < end; t += blockDim.x)
    weights[t] = static_cast<scalar_t>(exp(scores[t] - highest) / total);
  __syncthreads();  // every thread reads all weights
  for (int64_t i = threadIdx.x; i < width; i += blockDim.x) {
    scalar_t sum = 0;
    for (int64_t t = begin; t < end; ++t) sum += weights[t] * values[t * width + i];
    out[s * width + i] = sum;
  }
}

/// dscore[t] = weight[t] * (dout . value[t] - sum over t' of weight[t'] dout . value[t']).
template <typename scalar_t>
__global__ void pool_backward(const scalar_t* douts, const scalar_t* values, const scalar_t* weights,
                              const int64_t* starts, int64_t width, scalar_t* dscores, scalar_t* dvalues) {
  RAT_SHARED(double, scratch, kPoolThreads);
  const int64_t s = blockIdx.x, begin = starts[s], end = starts[s + 1];
  const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const scalar_t* dout = douts + s * width;
  for (int64_t t = begin + warp; t < end; t += kPoolThreads / 32) {
    scalar_t product = 0;
    for (int64_t i = lane; i < width; i += 32) {
      product += dout[i] * values[t * width + i];
      dvalues[t * width + i] = weights[t] * dout[i];
    }
    product = warp_sum(product);
    if (lane == 0) dscores[t] = product;
  }
  __syncthreads();  // the products were written by other threads
  double mean = 0;
  for (int64_t t = begin + threadIdx.x; t < end; t += blockDim.x)
    mean += static_cast<double>(weights[t]) * dscores[t];
  mean = block_sum(mean, scratch);
  for (int64_t t = begin + threadIdx.x; t < end; t += blockDim.x)
    dscores[t] = static_cast<scalar_t>(weights[t] * (dscores[t] - mean));
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> attention_pool(const at::Tensor& scores, const at::Tensor& values,
                                                  const std::vector<int64_t>& starts,
                                                  const at::Tensor& starts_index) {
  const auto sequences = static_cast<int64_t>(starts.size()) - 1;
  at::Tensor weights = at::empty_like(scores), out = at::empty({sequences, values.size(1)}, values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "attention_pool", [&] {
    RAT_LAUNCH(pool_forward<scalar_t>, static_cast<unsigned>(sequences), kPoolThreads,
               scores.const_data_ptr<scalar_t>(), values.const_data_ptr<scalar_t>(),
               starts_index.const_data_ptr<int64_t>(), values.size(1), weights.data_ptr<scalar_t>(),
               out.data_ptr<scalar_t>());
  });
  return {weights, out};
}

std::tuple<at::Tensor, at::Tensor> attention_pool_backward(const at::Tensor& dout, const at::Tensor& values,
                                                           const at::Tensor& weights,
                                                           const std::vector<int64_t>& starts,
                                                           const at::Tensor& starts_index) {
  const auto sequences = static_cast<int64_t>(starts.size()) - 1;
  at::Tensor dscores = at::empty_like(weights), dvalues = at::empty_like(values);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "attention_pool_backward", [&] {
    RAT_LAUNCH(pool_backward<scalar_t>, static_cast<unsigned>(sequences), kPoolThreads,
               dout.const_data_ptr<scalar_t>(), values.const_data_ptr<scalar_t>(),
               weights.const_data_ptr<scalar_t>(), starts_index.const_data_ptr<int64_t>(), values.size(1),
               dscores.data_ptr<scalar_t>(), dvalues.data_ptr<scalar_t>());
  });
  return {dscores, dvalues};
}

}  // namespace rat::cuda
