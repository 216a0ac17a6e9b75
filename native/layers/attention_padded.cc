// Attention of LibTorch's operators on a padded grid.
#include <cmath>
#include <limits>

#include "layers/attention.h"
#include "layers/rows.h"

namespace rat {
namespace {

/// `[tokens, D]` to `[S, H, longest, width]`, zeros where there is no token.
at::Tensor pad(const at::Tensor& x, const ForwardRows& rows, int64_t heads) {
  return at::zeros({rows.sequences * rows.longest, x.size(1)}, x.options())
      .index_copy(0, rows.padded_cells, x)
      .view({rows.sequences, rows.longest, heads, -1})
      .transpose(1, 2);
}

at::Tensor lengths_of(const ForwardRows& rows) {
  return rows.starts_index.narrow(0, 1, rows.sequences) - rows.first_tokens;
}

/// The counter of each row of probabilities `[S * H * queries, longest]`.
MaskRows probability_rows(const ForwardRows& rows, int64_t heads, int64_t queries) {
  const auto options = rows.starts_index.options();
  const at::Tensor lengths = lengths_of(rows).view({-1, 1, 1});
  const at::Tensor head = at::arange(heads, options).view({1, -1, 1});
  const at::Tensor query = at::arange(queries, options).view({1, 1, -1});
  const auto each = [&](const at::Tensor& by_sequence) {
    return by_sequence.view({-1, 1, 1}).expand({rows.sequences, heads, queries}).reshape(-1);
  };
  return {each(rows.sequence_rows.example_ids), ((head * lengths + query) * lengths).to(at::kInt).reshape(-1),
          each(rows.sequence_rows.passes)};
}

}  // namespace

at::Tensor padded_attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                            int64_t heads, const Dropout& settings, uint32_t layer) {
  const bool first = first_queries.defined();
  const int64_t width = qkv.size(1) / (first ? 2 : 3);
  const std::vector<at::Tensor> parts = qkv.split(width, 1);
  const at::Tensor q =
      first ? first_queries.view({rows.sequences, 1, heads, -1}).transpose(1, 2) : pad(parts[0], rows, heads);
  const at::Tensor k = pad(parts[first ? 0 : 1], rows, heads);
  const at::Tensor v = pad(parts[first ? 1 : 2], rows, heads);

  const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
  const auto accumulate = qkv.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor scores = at::matmul(q * scale, k.transpose(-2, -1)).to(accumulate);
  const at::Tensor no_token = at::arange(rows.longest, rows.starts_index.options()).view({1, 1, 1, -1}) >=
                              lengths_of(rows).view({-1, 1, 1, 1});
  at::Tensor p = at::softmax(scores.masked_fill(no_token, -std::numeric_limits<double>::infinity()), -1);
  if (settings.active(DropoutSite::kAttention))
    p = dropout(p.reshape({-1, rows.longest}), probability_rows(rows, heads, q.size(2)), settings,
                DropoutSite::kAttention, layer, /*element_stride=*/1)
            .view(p.sizes());
  const at::Tensor out = at::matmul(p.to(qkv.scalar_type()), v).transpose(1, 2);  // [S, queries, H, width]
  if (first) return out.reshape({rows.sequences, width});
  return take_rows(out.reshape({rows.sequences * rows.longest, width}), rows.padded_cells);
}

}  // namespace rat
