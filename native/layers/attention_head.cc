#include "layers/attention_head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/cpu_versions.h"
#include "core/vectors.h"

namespace rat {
namespace {

template <typename scalar_t>
RAT_ALWAYS_INLINE int64_t padded(int64_t count) {
  constexpr int64_t n = Vectors<scalar_t>::kCount;
  return (count + n - 1) / n * n;
}

/// C `[m, n]` = A B: A's element (i, k) is a[i * a_row + k * a_column], rows of B and C are `n` long and consecutive; n is a
/// multiple of the lanes.
template <typename scalar_t>
RAT_ALWAYS_INLINE void multiply(int64_t m, int64_t n, int64_t depth, const scalar_t* a, int64_t a_row,
                                int64_t a_column, const scalar_t* b, scalar_t* c) {
  using Vector = typename Vectors<scalar_t>::Vector;
  constexpr int64_t kLanes = Vectors<scalar_t>::kCount, kRows = 6;
  for (int64_t j = 0; j < n; j += kLanes)
    for (int64_t i = 0; i < m; i += kRows) {
      // Rows beyond the last repeat it: their results are thrown away.
      const int64_t rows = std::min(kRows, m - i);
      const scalar_t* row[kRows];
      for (int64_t r = 0; r < kRows; ++r) row[r] = a + (i + std::min(r, rows - 1)) * a_row;
      Vector sum[kRows];
      for (int64_t r = 0; r < kRows; ++r) sum[r] = Vector{};
      for (int64_t k = 0; k < depth; ++k) {
        Vector right;
        load(right, b + k * n + j);
        for (int64_t r = 0; r < kRows; ++r) sum[r] += right * row[r][k * a_column];
      }
      for (int64_t r = 0; r < rows; ++r) std::memcpy(c + (i + r) * n + j, &sum[r], sizeof sum[r]);
    }
}

/// Rows `[rows, length]` become probabilities; `row_size` numbers apart, what is beyond the length becomes 0.
template <typename scalar_t>
RAT_ALWAYS_INLINE void softmax(scalar_t* scores, int64_t rows, int64_t length, int64_t row_size) {
  using Vector = typename Vectors<scalar_t>::Vector;
  constexpr int64_t kLanes = Vectors<scalar_t>::kCount;
  for (int64_t i = 0; i < rows; ++i) {
    scalar_t* row = scores + i * row_size;
    constexpr scalar_t kLeast = -std::numeric_limits<scalar_t>::infinity();
    for (int64_t j = length; j < row_size; ++j) row[j] = kLeast;
    scalar_t largest[kLanes];
    std::fill_n(largest, kLanes, kLeast);
    for (int64_t j = 0; j < row_size; j += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane)
        largest[lane] = row[j + lane] > largest[lane] ? row[j + lane] : largest[lane];
    const scalar_t most = *std::max_element(largest, largest + kLanes);
    Vector total{};
    for (int64_t j = 0; j < row_size; j += kLanes) {
      Vector x;
      load(x, row + j);
      x = x - most;
      exponential(x);
      total += x;
      std::memcpy(row + j, &x, sizeof x);
    }
    const scalar_t scale = 1 / sum_of(total);
    for (int64_t j = 0; j < row_size; ++j) row[j] *= scale;
  }
}

/// A row times its mask.
template <typename scalar_t>
RAT_ALWAYS_INLINE void drop(const scalar_t* x, const uint32_t* words, int64_t length,
                            const HeadMask<scalar_t>& mask, scalar_t* out) {
  const uint32_t threshold = mask.threshold;
  const scalar_t scale = mask.scale;
  for (int64_t j = 0; j < length; ++j) out[j] = words[j] >= threshold ? x[j] * scale : scalar_t(0);
}

/// Rows of a head side by side, `to_stride` numbers apart, with zeros behind each.
template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void gather(const HeadRows<element_t>& from, int64_t rows, int64_t width, scalar_t* to,
                              int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    const element_t* source = from.data + i * from.stride;
    scalar_t* target = to + i * to_stride;
    for (int64_t c = 0; c < width; ++c) target[c] = static_cast<scalar_t>(source[c]);
    for (int64_t c = width; c < to_stride; ++c) target[c] = 0;
  }
}

/// The same transposed, times `scale`: `[width, to_stride]`.
template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void gather_transposed(const HeadRows<element_t>& from, int64_t rows, int64_t width,
                                         scalar_t scale, scalar_t* to, int64_t to_stride) {
  for (int64_t c = 0; c < width; ++c) {
    scalar_t* target = to + c * to_stride;
    for (int64_t i = 0; i < rows; ++i)
      target[i] = static_cast<scalar_t>(from.data[i * from.stride + c]) * scale;
    for (int64_t i = rows; i < to_stride; ++i) target[i] = 0;
  }
}

template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void scatter(const scalar_t* from, int64_t from_stride, int64_t rows, int64_t width,
                               const HeadRows<element_t>& to) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t c = 0; c < width; ++c)
      to.data[i * to.stride + c] = static_cast<element_t>(from[i * from_stride + c]);
}

template <typename scalar_t>
struct Places {
  scalar_t* next;
  scalar_t* take(int64_t count) {
    scalar_t* const place = next;
    next += count;
    return place;
  }
};

template <typename scalar_t>
RAT_ALWAYS_INLINE Places<scalar_t> places(HeadScratch<scalar_t>& scratch, int64_t count) {
  if (static_cast<int64_t>(scratch.numbers.size()) < count)
    scratch.numbers.resize(static_cast<size_t>(count));
  return {scratch.numbers.data()};
}

/// The probabilities `[queries, padded length]` of gathered queries `q`.
template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void probabilities(const HeadInputs<element_t>& x, const scalar_t* q, int64_t row_width,
                                     int64_t row_length, scalar_t* keys, scalar_t* p) {
  const auto scale = static_cast<scalar_t>(1 / std::sqrt(static_cast<double>(x.width)));
  gather_transposed(x.k, x.length, x.width, scale, keys, row_length);
  multiply<scalar_t>(x.queries, row_length, x.width, q, row_width, 1, keys, p);
  softmax(p, x.queries, x.length, row_length);
}

template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void forward(const HeadInputs<element_t>& x, const HeadMask<scalar_t>& mask,
                               const HeadRows<element_t>& out, HeadScratch<scalar_t>& scratch) {
  const int64_t row_length = padded<scalar_t>(x.length), row_width = padded<scalar_t>(x.width);
  auto place = places(scratch, (2 * x.queries + x.length) * row_width + (x.queries + x.width) * row_length);
  scalar_t *q = place.take(x.queries * row_width), *keys = place.take(x.width * row_length),
           *v = place.take(x.length * row_width), *p = place.take(x.queries * row_length),
           *context = place.take(x.queries * row_width);
  gather(x.q, x.queries, x.width, q, row_width);
  gather(x.v, x.length, x.width, v, row_width);
  probabilities(x, q, row_width, row_length, keys, p);
  if (mask.words != nullptr)
    for (int64_t i = 0; i < x.queries; ++i)
      drop(p + i * row_length, mask.words + i * x.length, x.length, mask, p + i * row_length);
  multiply<scalar_t>(x.queries, row_width, x.length, p, row_length, 1, v, context);
  scatter(context, row_width, x.queries, x.width, out);
}

template <typename scalar_t, typename element_t>
RAT_ALWAYS_INLINE void backward(const HeadInputs<element_t>& x, const HeadMask<scalar_t>& mask,
                                const HeadRows<element_t>& dout, const HeadInputs<element_t>& gradients,
                                HeadScratch<scalar_t>& scratch) {
  const int64_t row_length = padded<scalar_t>(x.length), row_width = padded<scalar_t>(x.width);
  auto place = places(scratch, (2 * x.queries + x.length + std::max(x.queries, x.length)) * row_width +
                                   (3 * x.queries + x.width) * row_length);
  scalar_t *q = place.take(x.queries * row_width), *context = place.take(x.queries * row_width),
           *k = place.take(x.length * row_width), *transposed = place.take(x.width * row_length),
           *p = place.take(x.queries * row_length), *masked = place.take(x.queries * row_length),
           *dp = place.take(x.queries * row_length),
           *gradient = place.take(std::max(x.queries, x.length) * row_width);
  gather(x.q, x.queries, x.width, q, row_width);
  gather(dout, x.queries, x.width, context, row_width);
  gather(x.k, x.length, x.width, k, row_width);
  probabilities(x, q, row_width, row_length, transposed, p);

  gather_transposed(x.v, x.length, x.width, scalar_t(1), transposed, row_length);
  multiply<scalar_t>(x.queries, row_length, x.width, context, row_width, 1, transposed, dp);
  if (mask.words != nullptr)
    for (int64_t i = 0; i < x.queries; ++i) {
      const uint32_t* words = mask.words + i * x.length;
      drop(p + i * row_length, words, x.length, mask, masked + i * row_length);
      drop(dp + i * row_length, words, x.length, mask, dp + i * row_length);
    }
  else
    masked = p;
  multiply<scalar_t>(x.length, row_width, x.queries, masked, 1, row_length, context, gradient);
  scatter(gradient, row_width, x.length, x.width, gradients.v);

  const auto scale = static_cast<scalar_t>(1 / std::sqrt(static_cast<double>(x.width)));
  for (int64_t i = 0; i < x.queries; ++i) {
    scalar_t* row = dp + i * row_length;
    const scalar_t* of = p + i * row_length;
    scalar_t total = 0;
    for (int64_t j = 0; j < x.length; ++j) total += row[j] * of[j];
    for (int64_t j = 0; j < x.length; ++j) row[j] = of[j] * (row[j] - total) * scale;
  }
  multiply<scalar_t>(x.queries, row_width, x.length, dp, row_length, 1, k, gradient);
  scatter(gradient, row_width, x.queries, x.width, gradients.q);
  multiply<scalar_t>(x.length, row_width, x.queries, dp, 1, row_length, q, gradient);
  scatter(gradient, row_width, x.length, x.width, gradients.k);
}

}  // namespace

#define RAT_HEAD(scalar_t, element_t)                                                                   \
  RAT_CPU_VERSIONS(head_forward,                                                                        \
                   (const HeadInputs<element_t>& x, const HeadMask<scalar_t>& mask,                     \
                    const HeadRows<element_t>& out, HeadScratch<scalar_t>& scratch),                    \
                   forward, (x, mask, out, scratch))                                                    \
  RAT_CPU_VERSIONS(                                                                                     \
      head_backward,                                                                                    \
      (const HeadInputs<element_t>& x, const HeadMask<scalar_t>& mask, const HeadRows<element_t>& dout, \
       const HeadInputs<element_t>& gradients, HeadScratch<scalar_t>& scratch),                         \
      backward, (x, mask, dout, gradients, scratch))
RAT_HEAD(float, float)
RAT_HEAD(double, double)
RAT_HEAD(float, c10::BFloat16)

}  // namespace rat
