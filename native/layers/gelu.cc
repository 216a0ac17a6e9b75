#include "layers/gelu.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/kernels.h"
#include "core/lanes.h"
#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

using Vector = Vectors<float>::Vector;
using Flags = Vectors<float>::Flags;
constexpr int64_t kRowsPerTask = 32;

/// The function of the standard normal distribution, as LibTorch forms it, 1/2 + erf(x / sqrt 2) / 2. The rational function is
/// x P(x^2) / Q(x^2), fitted to erf for the least relative error, 5e-8; beyond 5.5 erf is 1 in fp32.
RAT_ALWAYS_INLINE Vector distribution(const Vector& x) {
  const Vector u = x * x;
  Vector p = Vector{} + 2.19596669e-10f;
  p = p * u - 4.32378446e-8f;
  p = p * u + 6.28149038e-6f;
  p = p * u + 3.28553178e-4f;
  p = p * u + 8.9492399e-3f;
  p = p * u + 7.0821844e-2f;
  p = p * u + 0.797884519f;
  Vector q = Vector{} + 5.99695946e-5f;
  q = q * u + 1.79822309e-3f;
  q = q * u + 2.87897698e-2f;
  q = q * u + 0.255427836f;
  q = q * u + 1.0f;
  Vector erf = x * p / q;
  // Where it has grown beyond 1, and far out, it is 1 with the sign of x.
  const Flags one = Flags{} + std::bit_cast<int32_t>(1.0f);
  Flags size, is_beyond, is_far, sign, bits;
  magnitude(size, erf);
  less(is_beyond, one, size);
  magnitude(size, x);
  less(is_far, Flags{} + std::bit_cast<int32_t>(5.5f), size);
  std::memcpy(&sign, &x, sizeof sign);
  std::memcpy(&bits, &erf, sizeof bits);
  const Flags is_one = is_beyond | is_far;
  bits = (bits & ~is_one) | ((one | (sign & INT32_MIN)) & is_one);
  std::memcpy(&erf, &bits, sizeof erf);
  return 0.5f + 0.5f * erf;
}

RAT_ALWAYS_INLINE void forward_any(const float* x, int64_t count, float* y) {
  for_each_vector<float>(count, [&](int64_t i, int64_t numbers) __attribute__((always_inline)) {
    Vector a{};
    load_some(a, x + i, numbers);
    store_some(y + i, a * distribution(a), numbers);
  });
}

/// Of one row, whose gradient is added to `sums`.
RAT_ALWAYS_INLINE void backward_any(const float* x, const float* dy, int64_t width, float* dx, float* sums) {
  for_each_vector<float>(width, [&](int64_t i, int64_t numbers) __attribute__((always_inline)) {
    Vector a{}, slope{}, sum{};
    load_some(a, x + i, numbers);
    load_some(slope, dy + i, numbers);
    load_some(sum, sums + i, numbers);
    Vector bell = -0.5f * (a * a);
    exponential(bell);
    slope = slope * (distribution(a) + (0.39894228f * a) * bell);
    store_some(dx + i, slope, numbers);
    store_some(sums + i, sum + slope, numbers);
  });
}

RAT_CPU_VERSIONS(gelu_forward, (const float* x, int64_t count, float* y), forward_any, (x, count, y))
RAT_CPU_VERSIONS(gelu_backward_row, (const float* x, const float* dy, int64_t width, float* dx, float* sums),
                 backward_any, (x, dy, width, dx, sums))

bool is_ours(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && is_on(Saving::kVector);
}

}  // namespace

at::Tensor gelu(const at::Tensor& given) {
  if (!is_ours(given)) return at::gelu(given);
  const at::Tensor x = given.contiguous(), y = at::empty_like(x);
  const auto* from = x.const_data_ptr<float>();
  auto* to = y.data_ptr<float>();
  in_parallel(x.numel(), kNumbersOfPart,
              [&](int64_t begin, int64_t end) { gelu_forward(from + begin, end - begin, to + begin); });
  return y;
}

std::tuple<at::Tensor, at::Tensor> cpu::gelu_backward(const at::Tensor& dy, const at::Tensor& x) {
  if (!is_ours(x)) {
    const at::Tensor dx = at::gelu_backward(dy, x);
    const auto type = x.scalar_type() == at::kBFloat16 ? at::kFloat : x.scalar_type();
    return {dx, dx.sum({0}, false, type)};
  }
  const int64_t rows = x.size(0), width = x.size(1), tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  const at::Tensor dx = at::empty_like(x);
  // Of each task, added in their order: the same bits with any number of threads.
  const at::Tensor parts = at::zeros({tasks, width}, x.options());
  const auto *from = x.const_data_ptr<float>(), *slope = dy.const_data_ptr<float>();
  auto *to = dx.data_ptr<float>(), *sums = parts.data_ptr<float>();
  in_parallel(tasks, std::max<int64_t>(least_rows(width) / kRowsPerTask, 1), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      for (int64_t row = task * kRowsPerTask; row < std::min(rows, (task + 1) * kRowsPerTask); ++row)
        gelu_backward_row(from + row * width, slope + row * width, width, to + row * width,
                          sums + task * width);
  });
  return {dx, parts.sum(0)};
}

}  // namespace rat
