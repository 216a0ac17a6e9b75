#include "layers/recurrent_cell.h"

#include <bit>
#include <cmath>

#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

template <typename scalar_t>
scalar_t logistic(scalar_t x) {
  return 1 / (1 + std::exp(-x));
}

template <typename scalar_t>
void plain_lstm_cell(const LstmRow<scalar_t>& row) {
  const int64_t hidden = row.hidden;
  for (int64_t k = 0; k < hidden; ++k) {
    scalar_t *i = row.gates + k, *f = i + hidden, *g = f + hidden, *o = g + hidden;
    *i = logistic(*i);
    *f = logistic(*f);
    *g = std::tanh(*g);
    *o = logistic(*o);
    const scalar_t c = *i * *g + (row.previous ? *f * row.previous[k] : scalar_t(0));
    row.cell[k] = c;
    row.cell[hidden + k] = std::tanh(c);
    row.state[k] = *o * row.cell[hidden + k];
  }
}

template <typename scalar_t>
void plain_gru_cell(const GruRow<scalar_t>& row) {
  const int64_t hidden = row.hidden;
  const auto recurrent = [&](int64_t i) {
    return row.bias[i] + (row.recurrent ? row.recurrent[i] : scalar_t(0));
  };
  for (int64_t k = 0; k < hidden; ++k) {
    scalar_t *r = row.gates + k, *z = r + hidden, *n = z + hidden;
    *r = logistic(*r + recurrent(k));
    *z = logistic(*z + recurrent(hidden + k));
    row.new_part[k] = recurrent(2 * hidden + k);
    *n = std::tanh(*n + *r * row.new_part[k]);
    row.state[k] = (1 - *z) * *n + (row.previous ? *z * row.previous[k] : scalar_t(0));
  }
}

using Floats = Vectors<float>::Vector;
using FloatFlags = Vectors<float>::Flags;

/// e^-x is never formed of a negative x, where it would overflow.
RAT_ALWAYS_INLINE void logistic(Floats& x) {
  FloatFlags bits, of_negative, of_positive;
  std::memcpy(&bits, &x, sizeof bits);
  const FloatFlags is_negative = bits >> 31;
  bits = bits | INT32_MIN;
  Floats e;
  std::memcpy(&e, &bits, sizeof e);
  exponential(e);
  const Floats positive = 1.0f / (1.0f + e), negative = e * positive;
  std::memcpy(&of_negative, &negative, sizeof bits);
  std::memcpy(&of_positive, &positive, sizeof bits);
  bits = (of_negative & is_negative) | (of_positive & ~is_negative);
  std::memcpy(&x, &bits, sizeof x);
}

/// Near 0 Cephes' polynomial, where 1 - e would lose digits.
RAT_ALWAYS_INLINE void hyperbolic_tangent(Floats& x) {
  FloatFlags size, sign, is_near, of_near, of_far;
  magnitude(size, x);
  std::memcpy(&sign, &x, sizeof sign);
  sign = sign & INT32_MIN;
  less(is_near, size, FloatFlags{} + std::bit_cast<int32_t>(0.625f));
  Floats e;
  std::memcpy(&e, &size, sizeof e);
  e = -2.0f * e;
  exponential(e);
  const Floats far = (1.0f - e) / (1.0f + e), u = x * x;
  Floats p = Floats{} - 5.70498872745e-3f;
  p = p * u + 2.06390887954e-2f;
  p = p * u - 5.37397155531e-2f;
  p = p * u + 1.33314422036e-1f;
  p = p * u - 3.33332819422e-1f;
  const Floats near = x + x * (p * u);
  std::memcpy(&of_far, &far, sizeof of_far);
  std::memcpy(&of_near, &near, sizeof of_near);
  size = (of_near & is_near) | ((of_far | sign) & ~is_near);
  std::memcpy(&x, &size, sizeof x);
}

RAT_ALWAYS_INLINE void any_lstm_cell(const LstmRow<float>& row) {
  const int64_t hidden = row.hidden;
  for_each_vector<float>(hidden, [&](int64_t k, int64_t count) __attribute__((always_inline)) {
    float* gates = row.gates + k;
    Floats i{}, f{}, g{}, o{}, previous{};
    load_some(i, gates, count);
    load_some(f, gates + hidden, count);
    load_some(g, gates + 2 * hidden, count);
    load_some(o, gates + 3 * hidden, count);
    if (row.previous) load_some(previous, row.previous + k, count);
    logistic(i);
    logistic(f);
    hyperbolic_tangent(g);
    logistic(o);
    const Floats c = i * g + f * previous;
    Floats squashed = c;
    hyperbolic_tangent(squashed);
    store_some(gates, i, count);
    store_some(gates + hidden, f, count);
    store_some(gates + 2 * hidden, g, count);
    store_some(gates + 3 * hidden, o, count);
    store_some(row.cell + k, c, count);
    store_some(row.cell + hidden + k, squashed, count);
    store_some(row.state + k, o * squashed, count);
  });
}

RAT_ALWAYS_INLINE void any_gru_cell(const GruRow<float>& row) {
  const int64_t hidden = row.hidden;
  for_each_vector<float>(hidden, [&](int64_t k, int64_t count) __attribute__((always_inline)) {
    float* gates = row.gates + k;
    Floats r{}, z{}, n{}, previous{}, recurrent[3]{}, bias[3]{};
    load_some(r, gates, count);
    load_some(z, gates + hidden, count);
    load_some(n, gates + 2 * hidden, count);
    for (int64_t i = 0; i < 3; ++i) {
      load_some(bias[i], row.bias + i * hidden + k, count);
      if (row.recurrent) load_some(recurrent[i], row.recurrent + i * hidden + k, count);
      recurrent[i] = bias[i] + recurrent[i];
    }
    if (row.previous) load_some(previous, row.previous + k, count);
    r = r + recurrent[0];
    z = z + recurrent[1];
    logistic(r);
    logistic(z);
    n = n + r * recurrent[2];
    hyperbolic_tangent(n);
    store_some(gates, r, count);
    store_some(gates + hidden, z, count);
    store_some(gates + 2 * hidden, n, count);
    store_some(row.new_part + k, recurrent[2], count);
    store_some(row.state + k, (1.0f - z) * n + z * previous, count);
  });
}

RAT_CPU_VERSIONS(vector_lstm_cell, (const LstmRow<float>& row), any_lstm_cell, (row))
RAT_CPU_VERSIONS(vector_gru_cell, (const GruRow<float>& row), any_gru_cell, (row))

}  // namespace

template <>
void lstm_cell(const LstmRow<double>& row) {
  plain_lstm_cell(row);
}
template <>
void lstm_cell(const LstmRow<float>& row) {
  is_on(Saving::kVector) ? vector_lstm_cell(row) : plain_lstm_cell(row);
}
template <>
void gru_cell(const GruRow<double>& row) {
  plain_gru_cell(row);
}
template <>
void gru_cell(const GruRow<float>& row) {
  is_on(Saving::kVector) ? vector_gru_cell(row) : plain_gru_cell(row);
}

}  // namespace rat
