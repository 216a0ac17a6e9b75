#include "layers/gelu.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/savings.h"
#include "core/vectors.h"

namespace rat {
namespace {

using Vector = Vectors<float>::Vector;
constexpr int64_t kCount = Vectors<float>::kCount;
constexpr int64_t kNumbersPerTask = 1 << 14;

struct Normal {
  Vector distribution;  // the function of the standard normal distribution
  Vector bell;          // e^(-x^2 / 2)
};

/// Abramowitz and Stegun, 7.1.26: erfc to 1.5e-7, from the exponential that the derivative needs as well.
RAT_ALWAYS_INLINE Normal normal(const Vector& x) {
  const Vector z = x < 0.0f ? -x : x;
  const Vector t = 1.0f / (1.0f + (0.3275911f * 0.70710678f) * z);
  Vector bell = -0.5f * (x * x);
  exponential(bell);
  Vector p = Vector{} + 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vector tail = 0.5f * (p * t) * bell;
  return {x < 0.0f ? tail : 1.0f - tail, bell};
}

/// `apply(vector of x, vector of dy)` to all numbers; those beyond the last register are padded with zeros.
template <typename Apply>
RAT_ALWAYS_INLINE void for_each_vector(const float* x, const float* dy, int64_t count, float* out,
                                       Apply apply) {
  for (int64_t i = 0; i < count; i += kCount) {
    const auto bytes = static_cast<size_t>(std::min(kCount, count - i)) * sizeof(float);
    Vector a{}, b{};
    std::memcpy(&a, x + i, bytes);
    std::memcpy(&b, dy + i, bytes);
    const Vector result = apply(a, b);
    std::memcpy(out + i, &result, bytes);
  }
}

RAT_ALWAYS_INLINE void forward_any(const float* x, int64_t count, float* y) {
  for_each_vector(x, x, count, y, [](const Vector& a, const Vector&) __attribute__((always_inline)) {
    return a * normal(a).distribution;
  });
}

RAT_ALWAYS_INLINE void backward_any(const float* x, const float* dy, int64_t count, float* dx) {
  for_each_vector(x, dy, count, dx, [](const Vector& a, const Vector& b) __attribute__((always_inline)) {
    const Normal of = normal(a);
    return b * (of.distribution + (0.39894228f * a) * of.bell);
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
