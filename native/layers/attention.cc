#include "layers/attention.h"

#include <cmath>
#include <limits>

namespace rat {
namespace {

/// Where packed rows stand in a padded `[S, longest]` grid.
struct Padded {
  at::Tensor index;  // [tokens] int64: cell of each packed row
  at::Tensor empty;  // [S, 1, 1, longest] bool: cells without a token
};

Padded padded_layout(const ForwardRows& rows, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor starts = rows.starts_index.narrow(0, 0, rows.sequences);
  const at::Tensor lengths = rows.starts_index.narrow(0, 1, rows.sequences) - starts;
  const at::Tensor positions = rows.token_rows.positions.to(at::kLong);
  const at::Tensor sequence =
      at::repeat_interleave(at::arange(rows.sequences, options), lengths, 0, rows.tokens);
  return {sequence * rows.longest + positions,
          (at::arange(rows.longest, options).view({1, -1}) >= lengths.view({-1, 1}))
              .view({rows.sequences, 1, 1, rows.longest})};
}

/// `[tokens, D]` to `[S, H, longest, width]`, zeros where there is no token.
at::Tensor pad(const at::Tensor& x, const Padded& layout, const ForwardRows& rows, int64_t heads) {
  return at::zeros({rows.sequences * rows.longest, x.size(1)}, x.options())
      .index_copy(0, layout.index, x)
      .view({rows.sequences, rows.longest, heads, -1})
      .transpose(1, 2);
}

/// The counter of each row of probabilities `[S * H * queries, longest]`.
MaskRows probability_rows(const ForwardRows& rows, int64_t heads, int64_t queries) {
  const auto options = rows.starts_index.options();
  const at::Tensor lengths =
      (rows.starts_index.narrow(0, 1, rows.sequences) - rows.starts_index.narrow(0, 0, rows.sequences))
          .view({-1, 1, 1});
  const at::Tensor head = at::arange(heads, options).view({1, -1, 1});
  const at::Tensor query = at::arange(queries, options).view({1, 1, -1});
  const auto each = [&](const at::Tensor& by_sequence) {
    return by_sequence.view({-1, 1, 1}).expand({rows.sequences, heads, queries}).reshape(-1);
  };
  return {each(rows.sequence_rows.example_ids), ((head * lengths + query) * lengths).to(at::kInt).reshape(-1),
          each(rows.sequence_rows.passes)};
}

at::Tensor attention_padded(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                            int64_t heads, const Dropout& settings, uint32_t layer) {
  const Padded layout = padded_layout(rows, qkv.device());
  const bool first = first_queries.defined();
  const int64_t width = qkv.size(1) / (first ? 2 : 3);
  const std::vector<at::Tensor> parts = qkv.split(width, 1);
  const at::Tensor q = first ? first_queries.view({rows.sequences, 1, heads, -1}).transpose(1, 2)
                             : pad(parts[0], layout, rows, heads);
  const at::Tensor k = pad(parts[first ? 0 : 1], layout, rows, heads);
  const at::Tensor v = pad(parts[first ? 1 : 2], layout, rows, heads);

  const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
  const auto accumulate = qkv.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor scores = at::matmul(q * scale, k.transpose(-2, -1)).to(accumulate);
  at::Tensor p = at::softmax(scores.masked_fill(layout.empty, -std::numeric_limits<double>::infinity()), -1);
  if (settings.active())
    p = dropout(p.reshape({-1, rows.longest}), probability_rows(rows, heads, q.size(2)), settings,
                DropoutSite::kAttention, layer, /*element_stride=*/1)
            .view(p.sizes());
  const at::Tensor out = at::matmul(p.to(qkv.scalar_type()), v).transpose(1, 2);  // [S, queries, H, width]
  if (first) return out.reshape({rows.sequences, width});
  return out.reshape({rows.sequences * rows.longest, width}).index_select(0, layout.index);
}

}  // namespace

at::Tensor attention(const at::Tensor& qkv, const at::Tensor& first_queries, const ForwardRows& rows,
                     int64_t heads, const Dropout& dropout, uint32_t layer) {
  return qkv.is_cpu() ? attention_cpu(qkv, first_queries, rows, heads, dropout, layer)
                      : attention_padded(qkv, first_queries, rows, heads, dropout, layer);
}

}  // namespace rat
