// FlashAttention and memory-efficient attention as ATen gives them for CUDA, where they have no CPU kernel to fall back on: what
// they demand of their arguments, and plain operators for what they do, sequence by sequence. This proves the calls, not the
// kernels.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/library.h>

#include <cmath>

#include "device/gpu_sim.h"

namespace gpu_sim {
namespace {

using at::Tensor;
using Optional = const std::optional<Tensor>&;

/// Of the sequences that `starts` divides rows into.
std::vector<int64_t> lengths_of(const Tensor& starts) {
  const Tensor host = at::diff(starts.cpu().to(at::kLong));
  return {host.const_data_ptr<int64_t>(), host.const_data_ptr<int64_t>() + host.numel()};
}

void require_starts(const Tensor& of_queries, const Tensor& of_keys) {
  for (const Tensor& x : {of_queries, of_keys})
    TORCH_CHECK(x.scalar_type() == at::kInt && x.dim() == 1 && x.is_contiguous(),
                "cu_seqlens must be int32 and contiguous");
  TORCH_CHECK(of_queries.size(0) == of_keys.size(0), "as many sequences of queries as of keys");
}

void require_lengths(const Tensor& starts, int64_t longest) {
  for (const int64_t length : lengths_of(starts)) TORCH_CHECK(length <= longest, "max_seqlen is too small");
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

int64_t next_seed(const Tensor& like) {
  return static_cast<int64_t>(
      at::check_generator<at::CPUGeneratorImpl>(at::globalContext().defaultGenerator(like.device()))
          ->random() >>
      1);
}

/// Queries, keys and values `[rows, heads, width]`.
struct Sequences {
  Tensor q, k, v, of_queries, of_keys;
  double rate;

  /// Calls `each(sequence, queries, keys, values, scores, mask)`, all by head.
  template <typename Each>
  void for_each(int64_t seed, Each each) const {
    const auto queries = q.split_with_sizes(lengths_of(of_queries)),
               keys = k.split_with_sizes(lengths_of(of_keys)),
               values = v.split_with_sizes(lengths_of(of_keys));
    for (size_t s = 0; s < queries.size(); ++s) {
      const Tensor a = by_head(queries[s]), b = by_head(keys[s]);
      const Tensor scores = a.matmul(b.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2)));
      each(s, a, b, by_head(values[s]), scores, mask_of(scores, rate, seed, s));
    }
  }

  /// `[rows, heads, width]`, and of each sequence the logarithm of its sums `[heads, L]`.
  std::pair<Tensor, std::vector<Tensor>> attended(int64_t seed) const {
    std::vector<Tensor> out, log_sums;
    for_each(seed, [&](size_t, const Tensor&, const Tensor&, const Tensor& values, const Tensor& scores,
                       const Tensor& mask) {
      out.push_back((scores.softmax(-1) * mask).matmul(values).transpose(0, 1));
      log_sums.push_back(scores.logsumexp(-1));
    });
    return {at::cat(out).to(q.scalar_type()).contiguous(), log_sums};
  }

  /// Of queries, keys and values, from that of the result.
  std::tuple<Tensor, Tensor, Tensor> gradients(const Tensor& dout, int64_t seed) const {
    const auto slopes = dout.split_with_sizes(lengths_of(of_queries));
    std::vector<Tensor> dq, dk, dv;
    for_each(seed, [&](size_t s, const Tensor& queries, const Tensor& keys, const Tensor& values,
                       const Tensor& scores, const Tensor& mask) {
      const Tensor slope = by_head(slopes[s]), p = scores.softmax(-1);
      const Tensor dp = slope.matmul(values.transpose(1, 2)) * mask;
      const Tensor ds = p * (dp - (dp * p).sum(-1, true)) / std::sqrt(static_cast<double>(q.size(2)));
      dq.push_back(ds.matmul(keys).transpose(0, 1));
      dk.push_back(ds.transpose(1, 2).matmul(queries).transpose(0, 1));
      dv.push_back((p * mask).transpose(1, 2).matmul(slope).transpose(0, 1));
    });
    const auto type = q.scalar_type();
    return {at::cat(dq).to(type), at::cat(dk).to(type), at::cat(dv).to(type)};
  }
};

void require_flash(std::initializer_list<Tensor> rows) {
  for (const Tensor& x : rows) {
    TORCH_CHECK(x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf,
                "FlashAttention only supports fp16 and bf16 data type");
    TORCH_CHECK(x.dim() == 3 && x.stride(-1) == 1, "Input tensor must have contiguous last dimension");
    TORCH_CHECK(x.size(2) % 8 == 0 && x.size(2) <= 256, "head_size should be a multiple of 8, at most 256");
  }
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> flash_forward(
    const Tensor& q, const Tensor& k, const Tensor& v, Optional of_queries, Optional of_keys,
    int64_t longest_query, int64_t longest, double rate, bool, bool, std::optional<double>,
    std::optional<int64_t>, std::optional<int64_t>, Optional, Optional, Optional, std::optional<int64_t>) {
  count(Event::kOperator, "_flash_attention_forward");
  require_flash({q, k, v});
  require_starts(*of_queries, *of_keys);
  require_lengths(*of_queries, longest_query);
  require_lengths(*of_keys, longest);
  const int64_t seed = next_seed(q);
  const auto [out, log_sums] = Sequences{q, k, v, *of_queries, *of_keys, rate}.attended(seed);
  return {out, at::cat(log_sums, 1), at::full({2}, seed, q.options().dtype(at::kLong)),
          at::empty({0}, q.options()), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor> flash_backward(const Tensor& dout, const Tensor& q, const Tensor& k,
                                                  const Tensor& v, const Tensor& out, const Tensor&,
                                                  const Tensor& of_queries, const Tensor& of_keys, int64_t,
                                                  int64_t, double rate, bool, const Tensor& state,
                                                  const Tensor&, std::optional<double>,
                                                  std::optional<int64_t>, std::optional<int64_t>) {
  count(Event::kOperator, "_flash_attention_backward");
  require_flash({dout, q, k, v, out});
  require_starts(of_queries, of_keys);
  TORCH_CHECK(dout.is_contiguous() && out.is_contiguous());
  return Sequences{q, k, v, of_queries, of_keys, rate}.gradients(dout, state.cpu()[0].item<int64_t>());
}

/// Of a batch of one `[1, rows, heads, width]`; what `aligned` kernels read at once.
void require_efficient(std::initializer_list<Tensor> rows) {
  for (const Tensor& x : rows) {
    TORCH_CHECK(x.scalar_type() == at::kFloat, "in this project for fp32 alone");
    TORCH_CHECK(x.dim() == 4 && x.size(0) == 1, "cu_seqlen only supports batch_size=1");
    TORCH_CHECK(x.stride(-1) == 1, "Input tensor must have contiguous last dimension");
    TORCH_CHECK(x.stride(1) % 4 == 0 && x.stride(2) % 4 == 0, "query is not correctly aligned");
  }
}

/// Rows of log sums that a backward kernel reads at once.
constexpr int64_t kLogSumUnit = 32;

std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt> efficient_forward(
    const Tensor& q, const Tensor& k, const Tensor& v, Optional bias, Optional of_queries, Optional of_keys,
    std::optional<int64_t> longest_query, std::optional<int64_t> longest, double rate, int64_t mask_type,
    bool computes_log_sums, std::optional<double>, Optional, std::optional<int64_t>) {
  count(Event::kOperator, "_efficient_attention_forward");
  require_efficient({q, k, v});
  require_starts(*of_queries, *of_keys);
  require_lengths(*of_queries, *longest_query);
  require_lengths(*of_keys, *longest);
  TORCH_CHECK(!bias && mask_type == 0);
  const int64_t seed = next_seed(q);
  const auto [out, sums] = Sequences{q[0], k[0], v[0], *of_queries, *of_keys, rate}.attended(seed);
  const int64_t room = (*longest_query + kLogSumUnit - 1) / kLogSumUnit * kLogSumUnit;
  const Tensor log_sums = at::full(
      {static_cast<int64_t>(sums.size()), q.size(2), computes_log_sums ? room : 0}, INFINITY, q.options());
  if (computes_log_sums)
    for (size_t s = 0; s < sums.size(); ++s)
      log_sums[static_cast<int64_t>(s)].narrow(1, 0, sums[s].size(1)).copy_(sums[s]);
  // Outside of a recording they are on the host.
  return {out.unsqueeze(0),         log_sums,       at::full({}, seed, at::kLong),
          at::zeros({}, at::kLong), *longest_query, *longest};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> efficient_backward(
    const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v, Optional bias, const Tensor& out,
    Optional of_queries, Optional of_keys, int64_t longest_query, int64_t longest, const Tensor& log_sums,
    double rate, const Tensor& seed, const Tensor&, int64_t mask_type, bool bias_requires_grad,
    std::optional<double>, std::optional<int64_t>, std::optional<int64_t>, bool) {
  count(Event::kOperator, "_efficient_attention_backward");
  require_efficient({dout, q, k, v, out});
  require_starts(*of_queries, *of_keys);
  TORCH_CHECK(!bias && !bias_requires_grad && mask_type == 0);
  TORCH_CHECK(longest <= k.size(1) && longest_query <= q.size(1), "Invalid max_seqlen");
  TORCH_CHECK(log_sums.size(0) == of_queries->size(0) - 1 && log_sums.size(2) >= longest_query,
              "the forward pass made no log sums");
  TORCH_CHECK(seed.device().is_cpu(), "the seed is read on the host");
  const auto [dq, dk, dv] =
      Sequences{q[0], k[0], v[0], *of_queries, *of_keys, rate}.gradients(dout[0], seed.item<int64_t>());
  return {dq.unsqueeze(0), dk.unsqueeze(0), dv.unsqueeze(0), Tensor()};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_flash_attention_forward", flash_forward);
  m.impl("_flash_attention_backward", flash_backward);
  m.impl("_efficient_attention_forward", efficient_forward);
  m.impl("_efficient_attention_backward", efficient_backward);
}

}  // namespace
}  // namespace gpu_sim
