#include "layers/add_norm.h"

#include <c10/util/BFloat16.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/held.h"
#include "core/kernels.h"
#include "core/lanes.h"
#include "core/vectors.h"

namespace rat {
namespace {

using c10::BFloat16;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kRowsPerTask = 32;

/// What stands in a row as `element_t` and is calculated in `scalar_t`, several at a time and the last ones of a row in the same
/// way, padded: a compiler's own loops may round a number differently where it stands elsewhere in memory.
template <typename element_t, typename scalar_t>
struct Several {
  using Vector = typename Vectors<scalar_t>::Vector;
  static constexpr int64_t kCount = Vectors<scalar_t>::kCount;

  static RAT_ALWAYS_INLINE void load(Vector& to, const element_t* from, int64_t count) {
    std::memcpy(&to, from, static_cast<size_t>(count) * sizeof(element_t));
  }
  static RAT_ALWAYS_INLINE void store(element_t* to, const Vector& from, int64_t count) {
    std::memcpy(to, &from, static_cast<size_t>(count) * sizeof(element_t));
  }
};
template <>
struct Several<BFloat16, float> {
  using Vector = typename Vectors<float>::Vector;
  static constexpr int64_t kCount = Vectors<float>::kCount;

  static RAT_ALWAYS_INLINE void load(Vector& to, const BFloat16* from, int64_t count) {
    uint32_t bits[kCount] = {};
    for (int64_t i = 0; i < count; ++i) bits[i] = uint32_t{from[i].x} << 16;
    std::memcpy(&to, bits, sizeof to);
  }
  /// To the nearest, ties to even, as c10::BFloat16.
  static RAT_ALWAYS_INLINE void store(BFloat16* to, const Vector& from, int64_t count) {
    uint32_t bits[kCount];
    std::memcpy(bits, &from, sizeof bits);
    for (int64_t i = 0; i < count; ++i) {
      const bool is_number = (bits[i] & 0x7FFFFFFFu) <= 0x7F800000u;
      const uint32_t rounded = (bits[i] + 0x7FFFu + (bits[i] >> 16 & 1u)) >> 16;
      to[i].x = static_cast<uint16_t>(is_number ? rounded : 0x7FC0u);
    }
  }
};

/// Zeros from `count` on.
template <typename Vector>
RAT_ALWAYS_INLINE void cut(Vector& x, int64_t count) {
  for (int64_t i = count; i < static_cast<int64_t>(sizeof(Vector) / sizeof(x[0])); ++i) x[i] = 0;
}

/// Words of a row's mask; null: nothing is dropped.
template <typename scalar_t>
struct RowMask {
  const uint32_t* words = nullptr;
  uint32_t threshold = 0;
  scalar_t scale = 1;

  /// x times the mask's elements from i on.
  RAT_ALWAYS_INLINE void apply(typename Vectors<float>::Vector& x, int64_t i) const {
    if (words == nullptr) return;
    using Bits = typename Vectors<float>::Bits;
    Bits drawn, bits;
    std::memcpy(&drawn, words + i, sizeof drawn);
    const Bits least = Bits{} + threshold;
    // The borrow of drawn - least, in all bits of the number.
    const auto is_dropped =
        (typename Vectors<float>::Flags)((~drawn & least) | ((~drawn | least) & (drawn - least))) >> 31;
    x = x * scale;
    std::memcpy(&bits, &x, sizeof bits);
    bits = bits & ~(Bits)is_dropped;
    std::memcpy(&x, &bits, sizeof bits);
  }
  RAT_ALWAYS_INLINE void apply(typename Vectors<double>::Vector& x, int64_t i) const {
    if (words == nullptr) return;
    for (int64_t j = 0; j < Vectors<double>::kCount; ++j) x[j] = words[i + j] >= threshold ? x[j] * scale : 0;
  }
};

/// What the backward pass needs beside the sum of x and the residual.
template <typename scalar_t>
struct RowStats {
  scalar_t mean, rate;  // 1 / deviation
};

template <typename element_t, typename scalar_t>
RAT_ALWAYS_INLINE void any_row(const element_t* x, const scalar_t* residual, const RowMask<scalar_t>& mask,
                               const scalar_t* weight, const scalar_t* bias, scalar_t eps, int64_t width,
                               scalar_t* sum, scalar_t* y, RowStats<scalar_t>* stats) {
  using Plain = Several<scalar_t, scalar_t>;
  using Vector = typename Plain::Vector;
  const auto size = static_cast<scalar_t>(width);
  Vector total{}, squares{};
  for_each_vector<scalar_t>(width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    Vector a{}, b{};
    Several<element_t, scalar_t>::load(a, x + i, count);
    Plain::load(b, residual + i, count);
    mask.apply(a, i);
    a = b + a;
    cut(a, count);
    total += a;
    Plain::store(sum + i, a, count);
  });
  const scalar_t mean = sum_of(total) / size;
  for_each_vector<scalar_t>(width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    Vector a{};
    Plain::load(a, sum + i, count);
    a = a - mean;
    cut(a, count);
    squares += a * a;
  });
  const scalar_t rate = 1 / std::sqrt(sum_of(squares) / size + eps);
  for_each_vector<scalar_t>(width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    Vector a{}, w{}, b{};
    Plain::load(a, sum + i, count);
    Plain::load(w, weight + i, count);
    Plain::load(b, bias + i, count);
    Plain::store(y + i, (a - mean) * rate * w + b, count);
  });
  *stats = {mean, rate};
}

/// `dx` may be null: it is `dsum` then. Adds to the gradients of weight and bias.
template <typename element_t, typename scalar_t>
RAT_ALWAYS_INLINE void any_row_backward(const scalar_t* dy, const scalar_t* sum,
                                        const RowStats<scalar_t>& stats, const RowMask<scalar_t>& mask,
                                        const scalar_t* weight, int64_t width, scalar_t* dsum, element_t* dx,
                                        scalar_t* dweight, scalar_t* dbias) {
  using Plain = Several<scalar_t, scalar_t>;
  using Vector = typename Plain::Vector;
  const auto size = static_cast<scalar_t>(width);
  const scalar_t mean = stats.mean, rate = stats.rate;
  Vector all{}, products{};
  for_each_vector<scalar_t>(width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    Vector slope{}, a{}, w{}, of_weight{}, of_bias{};
    Plain::load(slope, dy + i, count);
    Plain::load(a, sum + i, count);
    Plain::load(w, weight + i, count);
    Plain::load(of_weight, dweight + i, count);
    Plain::load(of_bias, dbias + i, count);
    a = (a - mean) * rate;
    Plain::store(dweight + i, of_weight + slope * a, count);
    Plain::store(dbias + i, of_bias + slope, count);
    slope = slope * w;
    cut(slope, count);
    all += slope;
    products += slope * a;
  });
  const scalar_t of_all = sum_of(all) / size, of_products = sum_of(products) / size;
  for_each_vector<scalar_t>(width, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    Vector slope{}, a{}, w{};
    Plain::load(slope, dy + i, count);
    Plain::load(a, sum + i, count);
    Plain::load(w, weight + i, count);
    Vector d = rate * (slope * w - of_all - (a - mean) * rate * of_products);
    Plain::store(dsum + i, d, count);
    if (dx == nullptr) return;
    mask.apply(d, i);
    Several<element_t, scalar_t>::store(dx + i, d, count);
  });
}

#define RAT_ROW(name, element_t, scalar_t)                                                                \
  RAT_CPU_VERSIONS(name##_forward,                                                                        \
                   (const element_t* x, const scalar_t* residual, const RowMask<scalar_t>& mask,          \
                    const scalar_t* weight, const scalar_t* bias, scalar_t eps, int64_t width,            \
                    scalar_t* sum, scalar_t* y, RowStats<scalar_t>* stats),                               \
                   any_row, (x, residual, mask, weight, bias, eps, width, sum, y, stats))                 \
  RAT_CPU_VERSIONS(name##_backward,                                                                       \
                   (const scalar_t* dy, const scalar_t* sum, const RowStats<scalar_t>& stats,             \
                    const RowMask<scalar_t>& mask, const scalar_t* weight, int64_t width, scalar_t* dsum, \
                    element_t* dx, scalar_t* dweight, scalar_t* dbias),                                   \
                   any_row_backward, (dy, sum, stats, mask, weight, width, dsum, dx, dweight, dbias))
RAT_ROW(row, float, float)
RAT_ROW(row_bf16, BFloat16, float)
RAT_ROW(row_double, double, double)
#undef RAT_ROW

/// The kernels for one pair of types.
template <typename element_t, typename scalar_t>
struct Rows;
template <>
struct Rows<float, float> {
  static constexpr auto kForward = row_forward, kBackward = row_backward;
};
template <>
struct Rows<BFloat16, float> {
  static constexpr auto kForward = row_bf16_forward, kBackward = row_bf16_backward;
};
template <>
struct Rows<double, double> {
  static constexpr auto kForward = row_double_forward, kBackward = row_double_backward;
};

/// Draws the masks of rows, one after the other.
template <typename scalar_t>
class Masks {
 public:
  Masks(const SiteMask& mask, int64_t width) : mask_(mask), width_(width) {}

  RowMask<scalar_t> of(int64_t row) {
    if (!mask_.is_active()) return {};
    const MaskStream stream = mask_.stream(row);
    const int64_t first = mask_.rows.positions.const_data_ptr<int32_t>()[row] * width_;
    return {draw(stream, first, width_, words_), stream.threshold, static_cast<scalar_t>(stream.scale)};
  }

 private:
  const SiteMask& mask_;
  int64_t width_;
  std::vector<uint32_t> words_;
};

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& residual,
                            const at::Tensor& weight, const at::Tensor& bias, double eps,
                            const c10::intrusive_ptr<Held<SiteMask>>& held) {
    const auto [y, sum, stats] = kernels::add_norm.on(x.device())(x.contiguous(), residual.contiguous(),
                                                                  weight, bias, eps, held->value);
    context->save_for_backward({sum, stats, weight});
    context->saved_data["type"] = static_cast<int64_t>(x.scalar_type());
    context->saved_data["mask"] = c10::IValue::make_capsule(held);
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto capsule = context->saved_data["mask"].toCapsule();
    const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    const auto [dx, dresidual, dweight, dbias] = kernels::add_norm_backward.on(saved[0].device())(
        gradients[0].contiguous(), saved[0], saved[1], saved[2], type,
        static_cast<const Held<SiteMask>&>(*capsule).value);
    return {dx, dresidual, dweight, dbias, {}, {}};
  }
};

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor> cpu::add_norm(const at::Tensor& x, const at::Tensor& residual,
                                                             const at::Tensor& weight, const at::Tensor& bias,
                                                             double eps, const SiteMask& mask) {
  const at::Tensor y = at::empty_like(residual), sum = at::empty_like(residual);
  const at::Tensor stats = at::empty({x.size(0), 2}, residual.options());
  with_norm_types(x.scalar_type(), residual.scalar_type(), [&](auto element, auto number) {
    using Element = decltype(element);
    using Number = decltype(number);
    const int64_t width = x.size(1);
    const auto* from = x.const_data_ptr<Element>();
    const auto *old = residual.const_data_ptr<Number>(), *w = weight.const_data_ptr<Number>(),
               *b = bias.const_data_ptr<Number>();
    auto *sums = sum.data_ptr<Number>(), *to = y.data_ptr<Number>();
    auto* of_rows = reinterpret_cast<RowStats<Number>*>(stats.data_ptr<Number>());
    in_parallel(x.size(0), least_rows(width), [&](int64_t begin, int64_t end) {
      Masks<Number> masks(mask, width);
      for (int64_t row = begin; row < end; ++row)
        Rows<Element, Number>::kForward(from + row * width, old + row * width, masks.of(row), w, b,
                                        static_cast<Number>(eps), width, sums + row * width, to + row * width,
                                        of_rows + row);
    });
  });
  return {y, sum, stats};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> cpu::add_norm_backward(
    const at::Tensor& dy, const at::Tensor& sum, const at::Tensor& stats, const at::Tensor& weight,
    at::ScalarType type, const SiteMask& mask) {
  const int64_t rows = sum.size(0), width = sum.size(1);
  const auto [dx, dsum] = empty_gradients(sum, type, mask);
  // Of each task, added in their order: the same bits with any number of threads.
  const int64_t tasks = (rows + kRowsPerTask - 1) / kRowsPerTask;
  const at::Tensor parts = at::zeros({tasks, 2, width}, sum.options());
  with_norm_types(type, sum.scalar_type(), [&](auto element, auto number) {
    using Element = decltype(element);
    using Number = decltype(number);
    const auto *slope = dy.const_data_ptr<Number>(), *sums = sum.const_data_ptr<Number>(),
               *w = weight.const_data_ptr<Number>();
    const auto* of_rows = reinterpret_cast<const RowStats<Number>*>(stats.const_data_ptr<Number>());
    auto *to = dsum.data_ptr<Number>(), *of_tasks = parts.data_ptr<Number>();
    auto* masked = dx.is_same(dsum) ? nullptr : dx.data_ptr<Element>();
    in_parallel(
        tasks, std::max<int64_t>(least_rows(width) / kRowsPerTask, 1), [&](int64_t begin, int64_t end) {
          Masks<Number> masks(mask, width);
          for (int64_t task = begin; task < end; ++task)
            for (int64_t row = task * kRowsPerTask; row < std::min(rows, (task + 1) * kRowsPerTask); ++row)
              Rows<Element, Number>::kBackward(
                  slope + row * width, sums + row * width, of_rows[row], masks.of(row), w, width,
                  to + row * width, masked ? masked + row * width : nullptr, of_tasks + task * 2 * width,
                  of_tasks + (task * 2 + 1) * width);
        });
  });
  const at::Tensor both = parts.sum(0);
  return {dx, dsum, both[0], both[1]};
}

std::pair<at::Tensor, at::Tensor> empty_gradients(const at::Tensor& sum, at::ScalarType type,
                                                  const SiteMask& mask) {
  const at::Tensor dsum = at::empty_like(sum);
  const bool is_one = type == sum.scalar_type() && !mask.is_active();
  return {is_one ? dsum : at::empty_like(sum, sum.options().dtype(type)), dsum};
}

at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const LayerNorm& norm,
                    const MaskRows& rows, const Dropout& settings, DropoutSite site, uint32_t layer) {
  return AddNorm::apply(x, residual, norm.weight, norm.bias, norm.eps,
                        hold(settings.mask(rows, site, layer)));
}

}  // namespace rat
