// FlashAttention as ATen gives it for CUDA, which has no CPU kernel to fall back on: what it demands of its arguments, and plain
// operators for what it does, sequence by sequence. This proves the calls, not FlashAttention.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/library.h>

#include <cmath>

namespace gpu_sim {
namespace {

using at::Tensor;
using Optional = const std::optional<Tensor>&;

/// Of the sequences that `starts` divides rows into.
std::vector<int64_t> lengths_of(const Tensor& starts) {
  const Tensor host = at::diff(starts.cpu().to(at::kLong));
  return {host.const_data_ptr<int64_t>(), host.const_data_ptr<int64_t>() + host.numel()};
}

void require_arguments(std::initializer_list<Tensor> rows, std::initializer_list<Tensor> starts) {
  for (const Tensor& x : rows) {
    TORCH_CHECK(x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf,
                "FlashAttention only supports fp16 and bf16 data type");
    TORCH_CHECK(x.dim() == 3 && x.stride(-1) == 1, "Input tensor must have contiguous last dimension");
    TORCH_CHECK(x.size(2) % 8 == 0 && x.size(2) <= 256, "head_size should be a multiple of 8, at most 256");
  }
  for (const Tensor& x : starts)
    TORCH_CHECK(x.scalar_type() == at::kInt && x.is_contiguous(), "cu_seqlens must be int32 and contiguous");
}

/// One sequence `[heads, L, width]` in float.
Tensor by_head(const Tensor& rows) { return rows.to(at::kFloat).transpose(0, 1); }

/// What is kept, over (1 - rate): drawn anew from the same seed.
Tensor mask_of(const Tensor& like, double rate, int64_t seed, size_t sequence) {
  if (rate == 0) return at::ones_like(like);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed) + sequence);
  return (at::rand(like.sizes(), generator, at::kFloat) >= rate)
      .to(at::kFloat)
      .div_(1 - rate)
      .to(like.device());
}

/// Calls `each(sequence, queries, keys, values, probabilities, mask)`, all by head.
template <typename Each>
void for_each_sequence(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& of_queries,
                       const Tensor& of_keys, double rate, int64_t seed, Each each) {
  const auto queries = q.split_with_sizes(lengths_of(of_queries)),
             keys = k.split_with_sizes(lengths_of(of_keys)), values = v.split_with_sizes(lengths_of(of_keys));
  for (size_t s = 0; s < queries.size(); ++s) {
    const Tensor a = by_head(queries[s]), b = by_head(keys[s]);
    const Tensor scores = a.matmul(b.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
    each(s, a, b, by_head(values[s]), scores, mask_of(scores, rate, seed, s));
  }
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> forward(
    const Tensor& q, const Tensor& k, const Tensor& v, Optional of_queries, Optional of_keys,
    int64_t longest_query, int64_t longest, double rate, bool, bool, std::optional<double>,
    std::optional<int64_t>, std::optional<int64_t>, Optional, Optional, Optional, std::optional<int64_t>) {
  require_arguments({q, k, v}, {*of_queries, *of_keys});
  for (const int64_t length : lengths_of(*of_queries)) TORCH_CHECK(length <= longest_query);
  for (const int64_t length : lengths_of(*of_keys)) TORCH_CHECK(length <= longest);
  const auto seed = static_cast<int64_t>(
      at::check_generator<at::CPUGeneratorImpl>(at::globalContext().defaultGenerator(q.device()))->random() >>
      1);
  std::vector<Tensor> out, log_sums;
  for_each_sequence(q, k, v, *of_queries, *of_keys, rate, seed,
                    [&](size_t, const Tensor&, const Tensor&, const Tensor& values, const Tensor& scores,
                        const Tensor& mask) {
                      out.push_back((scores.softmax(-1) * mask).matmul(values).transpose(0, 1));
                      log_sums.push_back(scores.logsumexp(-1));
                    });
  return {at::cat(out).to(q.scalar_type()).contiguous(), at::cat(log_sums, 1),
          at::full({2}, seed, q.options().dtype(at::kLong)), at::empty({0}, q.options()), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& dout, const Tensor& q, const Tensor& k,
                                            const Tensor& v, const Tensor& out, const Tensor&,
                                            const Tensor& of_queries, const Tensor& of_keys, int64_t, int64_t,
                                            double rate, bool, const Tensor& state, const Tensor&,
                                            std::optional<double>, std::optional<int64_t>,
                                            std::optional<int64_t>) {
  require_arguments({dout, q, k, v, out}, {of_queries, of_keys});
  TORCH_CHECK(dout.is_contiguous() && out.is_contiguous());
  const auto slopes = dout.split_with_sizes(lengths_of(of_queries));
  std::vector<Tensor> dq, dk, dv;
  for_each_sequence(q, k, v, of_queries, of_keys, rate, state.cpu()[0].item<int64_t>(),
                    [&](size_t s, const Tensor& queries, const Tensor& keys, const Tensor& values,
                        const Tensor& scores, const Tensor& mask) {
                      const Tensor slope = by_head(slopes[s]), p = scores.softmax(-1);
                      const Tensor dp = slope.matmul(values.transpose(1, 2)) * mask;
                      const Tensor ds =
                          p * (dp - (dp * p).sum(-1, true)) / std::sqrt(static_cast<double>(q.size(2)));
                      dq.push_back(ds.matmul(keys).transpose(0, 1));
                      dk.push_back(ds.transpose(1, 2).matmul(queries).transpose(0, 1));
                      dv.push_back((p * mask).transpose(1, 2).matmul(slope).transpose(0, 1));
                    });
  const auto type = q.scalar_type();
  return {at::cat(dq).to(type), at::cat(dk).to(type), at::cat(dv).to(type)};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_flash_attention_forward", forward);
  m.impl("_flash_attention_backward", backward);
}

}  // namespace
}  // namespace gpu_sim
