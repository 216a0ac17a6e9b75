#include "layers/gelu.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

using Vector = Vectors<float>::Vector;
using Flags = Vectors<float>::Flags;
constexpr int64_t kNumbersPerTask = 1 << 14;

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

/// `of(vector of x, vector of dy)` of all numbers; those beyond the last register are padded with zeros.
template <typename Of>
RAT_ALWAYS_INLINE void apply(const float* x, const float* dy, int64_t count, float* out, Of of) {
  for_each_vector<float>(count, [&](int64_t i, int64_t numbers) __attribute__((always_inline)) {
    const auto bytes = static_cast<size_t>(numbers) * sizeof(float);
    Vector a{}, b{};
    std::memcpy(&a, x + i, bytes);
    std::memcpy(&b, dy + i, bytes);
    const Vector result = of(a, b);
    std::memcpy(out + i, &result, bytes);
  });
}

RAT_ALWAYS_INLINE void forward_any(const float* x, int64_t count, float* y) {
  apply(x, x, count, y,
        [](const Vector& a, const Vector&) __attribute__((always_inline)) { return a * distribution(a); });
}

RAT_ALWAYS_INLINE void backward_any(const float* x, const float* dy, int64_t count, float* dx) {
  apply(x, dy, count, dx, [](const Vector& a, const Vector& b) __attribute__((always_inline)) {
    Vector bell = -0.5f * (a * a);
    exponential(bell);
    return b * (distribution(a) + (0.39894228f * a) * bell);
  });
}

RAT_CPU_VERSIONS(gelu_forward, (const float* x, int64_t count, float* y), forward_any, (x, count, y))
RAT_CPU_VERSIONS(gelu_backward, (const float* x, const float* dy, int64_t count, float* dx), backward_any,
                 (x, dy, count, dx))

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& given) {
    const at::Tensor x = given.contiguous();
    context->save_for_backward({x});
    const at::Tensor y = at::empty_like(x);
    const auto* from = x.const_data_ptr<float>();
    auto* to = y.data_ptr<float>();
    at::parallel_for(0, x.numel(), kNumbersPerTask, [&](int64_t begin, int64_t end) {
      gelu_forward(from + begin, end - begin, to + begin);
    });
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    const at::Tensor dx = at::empty_like(x);
    const auto *from = x.const_data_ptr<float>(), *slope = dy.const_data_ptr<float>();
    auto* to = dx.data_ptr<float>();
    at::parallel_for(0, x.numel(), kNumbersPerTask, [&](int64_t begin, int64_t end) {
      gelu_backward(from + begin, slope + begin, end - begin, to + begin);
    });
    return {dx};
  }
};

}  // namespace

at::Tensor gelu(const at::Tensor& x) {
  const bool is_ours = x.device().is_cpu() && x.scalar_type() == at::kFloat && is_on(Saving::kVector);
  return is_ours ? Gelu::apply(x) : at::gelu(x);
}

}  // namespace rat
