#include "models/initializer.h"

#include <cmath>
#include <numbers>

#include "core/lanes.h"

namespace rat {
namespace {

/// Uniform in [0, 1) with 53 bits.
double unit(uint32_t high, uint32_t low) {
  return static_cast<double>(((uint64_t{high} << 32) | low) >> 11) * 0x1.0p-53;
}

}  // namespace

Initializer::Initializer(uint64_t seed, at::ScalarType type, at::Device device)
    : key_(stream_key(seed, Stream::kInitialisation)), type_(type), device_(device) {}

void Initializer::repeat() {
  repeats_ = true;
  next_repeated_ = 0;
}

template <typename Make>
at::Tensor Initializer::next(Make make) {
  if (repeats_) return made_.at(next_repeated_++).detach();
  return made_.emplace_back(make());
}

// Two values a Philox block. `draw` maps the block's two uniforms to two values.
template <typename Draw>
at::Tensor Initializer::fill(at::IntArrayRef shape, Draw draw) {
  return next([&] {
    at::Tensor values = at::empty(shape, at::TensorOptions().dtype(at::kDouble));
    double* out = values.data_ptr<double>();
    const int64_t count = values.numel();
    const uint32_t tensor = next_tensor_++;
    in_parallel((count + 1) / 2, kNumbersOfPart, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const PhiloxBlock block =
            philox4x32_10({{static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), tensor, 0}}, key_);
        const auto [first, second] = draw(unit(block.v[0], block.v[1]), unit(block.v[2], block.v[3]));
        out[2 * i] = first;
        if (2 * i + 1 < count) out[2 * i + 1] = second;
      }
    });
    return values.to(at::TensorOptions().dtype(type_).device(device_));
  });
}

at::Tensor Initializer::normal(at::IntArrayRef shape, double standard_deviation) {
  return fill(shape, [=](double u, double v) {
    const double radius = standard_deviation * std::sqrt(-2 * std::log1p(-u));
    const double angle = 2 * std::numbers::pi * v;
    return std::pair(radius * std::cos(angle), radius * std::sin(angle));
  });
}

at::Tensor Initializer::uniform(at::IntArrayRef shape, double bound) {
  return fill(shape, [=](double u, double v) { return std::pair(bound * (2 * u - 1), bound * (2 * v - 1)); });
}

at::Tensor Initializer::constant(at::IntArrayRef shape, double value) {
  return next([&] { return at::full(shape, value, at::TensorOptions().dtype(type_).device(device_)); });
}

at::Tensor Initializer::like(const at::Tensor& tensor, at::ScalarType type) {
  return next([&] { return at::empty_like(tensor, tensor.options().dtype(type).requires_grad(false)); });
}

at::Tensor Initializer::skip(at::IntArrayRef shape) {
  ++next_tensor_;
  return constant(shape, 0);
}

}  // namespace rat
