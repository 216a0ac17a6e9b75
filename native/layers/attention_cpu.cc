// One sequence is one task, and one head of it fits into a processor's own cache: its scores, probabilities and mask are
// made, used and thrown away, and made again in the backward pass, so that memory grows with the tokens and not with their
// squares. All of it is arithmetic of our own: with operators of LibTorch a short sequence costs more in calls than in work.

#include <algorithm>
#include <atomic>

#include "core/cpu_versions.h"
#include "core/kernels.h"
#include "core/lanes.h"
#include "layers/attention.h"
#include "layers/attention_head.h"

namespace rat {
namespace {

/// One sequence of a forward.
struct Sequence {
  int64_t index, first, length, queries;
};

/// The longest first.
std::vector<Sequence> sequences_of(const AttentionShape& shape) {
  std::vector<Sequence> sequences;
  for (int64_t s = 0; s < shape.sequences; ++s) {
    const int64_t first = shape.starts[static_cast<size_t>(s)];
    const int64_t length = shape.starts[static_cast<size_t>(s) + 1] - first;
    sequences.push_back({s, first, length, shape.first_only ? 1 : length});
  }
  std::stable_sort(sequences.begin(), sequences.end(),
                   [](const Sequence& a, const Sequence& b) { return a.length > b.length; });
  return sequences;
}

/// Runs `task(sequence, head, scratch, element)` for all of them, `element` any number of the tensors' type. A thread takes
/// the next sequence when it is done with one: one that the system has put aside holds up its own sequence alone.
template <typename Task>
void for_each_head(const AttentionShape& shape, at::ScalarType type, Task task) {
  const std::vector<Sequence> sequences = sequences_of(shape);
  // A thread has enough to do with so many products of a query and a key.
  constexpr int64_t kProductsOfPart = 1 << 12;
  int64_t products = 0;
  for (const Sequence& sequence : sequences) products += sequence.queries * sequence.length * shape.heads;
  const int64_t threads =
      std::clamp<int64_t>(products / kProductsOfPart, 1, static_cast<int64_t>(sequences.size()));
  std::atomic<size_t> next{0};
  const auto run = [&](auto computed_in, auto element) {
    in_parallel(threads, 1, [&](int64_t, int64_t) {
      HeadScratch<decltype(computed_in)> scratch;
      for (size_t i = next++; i < sequences.size(); i = next++)
        for (int64_t head = 0; head < shape.heads; ++head) task(sequences[i], head, scratch, element);
    });
  };
  if (type == at::kDouble)
    run(double{}, double{});
  else if (type == at::kBFloat16)
    run(float{}, at::BFloat16{});
  else
    run(float{}, float{});
}

/// The words of a head's mask, for its queries one after the other; null where there is no dropout.
template <typename scalar_t>
HeadMask<scalar_t> mask_of(const AttentionShape& shape, const Sequence& s, int64_t head,
                           std::vector<uint32_t>& words) {
  if (!shape.mask.is_active()) return {};
  const MaskStream stream = shape.mask.stream(s.index);
  return {draw(stream, head * s.length * s.length, s.queries * s.length, words), stream.threshold,
          static_cast<scalar_t>(stream.scale)};
}

/// Where the rows of one head of one sequence stand in a tensor `[rows, columns]`.
template <typename element_t>
HeadRows<element_t> rows_of(const at::Tensor& x, int64_t row, int64_t column, const AttentionShape& shape,
                            int64_t head) {
  auto* data = static_cast<element_t*>(x.data_ptr());
  return {data + row * x.stride(0) + column + head * shape.head_width, x.stride(0)};
}

/// What a head is made of, and what its gradients are written to.
template <typename element_t>
HeadInputs<element_t> inputs_of(const at::Tensor& qkv, const at::Tensor& queries, const Sequence& s,
                                const AttentionShape& shape, int64_t head) {
  return {rows_of<element_t>(queries, shape.first_only ? s.index : s.first, 0, shape, head),
          rows_of<element_t>(qkv, s.first, shape.key_column(), shape, head),
          rows_of<element_t>(qkv, s.first, shape.value_column(), shape, head),
          s.queries,
          s.length,
          shape.head_width};
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> cpu::attention(const at::Tensor& qkv, const at::Tensor& queries,
                                                  const AttentionShape& shape) {
  at::Tensor out = at::empty({queries.size(0), shape.width()}, qkv.options());
  for_each_head(shape, qkv.scalar_type(),
                [&]<typename scalar_t, typename element_t>(const Sequence& s, int64_t head,
                                                           HeadScratch<scalar_t>& scratch, element_t) {
                  head_forward(inputs_of<element_t>(qkv, queries, s, shape, head),
                               mask_of<scalar_t>(shape, s, head, scratch.words),
                               rows_of<element_t>(out, shape.first_only ? s.index : s.first, 0, shape, head),
                               scratch);
                });
  return {out, {}};
}

std::tuple<at::Tensor, at::Tensor> cpu::attention_backward(const at::Tensor& dout, const at::Tensor& qkv,
                                                           const at::Tensor& queries, const at::Tensor&,
                                                           const at::Tensor&, const AttentionShape& shape) {
  const at::Tensor dqkv = at::empty_like(qkv);
  const at::Tensor dqueries = shape.first_only ? at::empty_like(queries) : dqkv;
  for_each_head(shape, qkv.scalar_type(),
                [&]<typename scalar_t, typename element_t>(const Sequence& s, int64_t head,
                                                           HeadScratch<scalar_t>& scratch, element_t) {
                  head_backward(
                      inputs_of<element_t>(qkv, queries, s, shape, head),
                      mask_of<scalar_t>(shape, s, head, scratch.words),
                      rows_of<element_t>(dout, shape.first_only ? s.index : s.first, 0, shape, head),
                      inputs_of<element_t>(dqkv, dqueries, s, shape, head), scratch);
                });
  return {dqkv, dqueries};
}

}  // namespace rat
