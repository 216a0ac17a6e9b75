#include "optim/adamw_update.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "core/cpu_versions.h"
#include "core/kernels.h"
#include "core/lanes.h"

namespace rat {
namespace {

/// A gradient of zero must leave the same bits in both forms, whichever products and sums the compiler joins: each sum here has
/// one product that it may join, or another one that is zero then.
template <typename scalar_t, typename Gradient>
RAT_ALWAYS_INLINE void any_update(scalar_t* __restrict values, scalar_t* __restrict first,
                                  scalar_t* __restrict second, int64_t count, const AdamWNumbers& numbers,
                                  Gradient gradient) {
  const auto kept = static_cast<scalar_t>(numbers.kept), step = static_cast<scalar_t>(numbers.step),
             root = static_cast<scalar_t>(numbers.root), eps = static_cast<scalar_t>(kAdamEps),
             b1 = static_cast<scalar_t>(kBeta1), b2 = static_cast<scalar_t>(kBeta2),
             c1 = static_cast<scalar_t>(1 - kBeta1), c2 = static_cast<scalar_t>(1 - kBeta2);
  for (int64_t i = 0; i < count; ++i) {
    const scalar_t g = gradient(i);
    first[i] = first[i] * b1 + g * c1;
    second[i] = second[i] * b2 + g * g * c2;
    values[i] = values[i] * kept - step * first[i] / (std::sqrt(second[i]) * root + eps);
  }
}

template <typename scalar_t>
RAT_ALWAYS_INLINE void any_updates(scalar_t* values, const scalar_t* gradient, scalar_t* first,
                                   scalar_t* second, int64_t count, const AdamWNumbers* numbers,
                                   int64_t steps) {
  if (gradient) {
    const auto scale = static_cast<scalar_t>(numbers->scale);
    return any_update(values, first, second, count, *numbers,
                      [=](int64_t i) __attribute__((always_inline)) { return gradient[i] * scale; });
  }
  for (int64_t s = 0; s < steps; ++s)
    any_update(values, first, second, count, numbers[s],
               [](int64_t) __attribute__((always_inline)) { return scalar_t(0); });
}

#define RAT_ADAMW(name, scalar_t)                                                                   \
  RAT_CPU_VERSIONS(name,                                                                            \
                   (scalar_t * values, const scalar_t* gradient, scalar_t* first, scalar_t* second, \
                    int64_t count, const AdamWNumbers* numbers, int64_t steps),                     \
                   any_updates, (values, gradient, first, second, count, numbers, steps))
RAT_ADAMW(updates_float, float)
RAT_ADAMW(updates_double, double)
#undef RAT_ADAMW

void updates(float* values, const float* gradient, float* first, float* second, int64_t count,
             const AdamWNumbers* numbers, int64_t steps) {
  updates_float(values, gradient, first, second, count, numbers, steps);
}
void updates(double* values, const double* gradient, double* first, double* second, int64_t count,
             const AdamWNumbers* numbers, int64_t steps) {
  updates_double(values, gradient, first, second, count, numbers, steps);
}

/// As LibTorch rounds, but for what is no number.
RAT_ALWAYS_INLINE void any_rounded(const float* values, int64_t count, uint16_t* low) {
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    low[i] = static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
}
RAT_CPU_VERSIONS(rounded, (const float* values, int64_t count, uint16_t* low), any_rounded,
                 (values, count, low))

template <typename scalar_t>
bool is_zero(const scalar_t* numbers, int64_t count) {
  return std::all_of(numbers, numbers + count, [](scalar_t x) { return x == 0; });
}

/// Numbers that a core updates and rounds while they are near.
constexpr int64_t kPiece = 1 << 12;

}  // namespace

void AdamWTensors::update(int64_t begin, int64_t count, const void* gradient,
                          const AdamWNumbers& numbers) const {
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "adamw", [&] {
    updates(values.mutable_data_ptr<scalar_t>() + begin, static_cast<const scalar_t*>(gradient),
            first_moment.mutable_data_ptr<scalar_t>() + begin,
            second_moment.mutable_data_ptr<scalar_t>() + begin, count, &numbers, 1);
  });
  if (low.defined())
    rounded(values.const_data_ptr<float>() + begin, count,
            static_cast<uint16_t*>(low.mutable_data_ptr()) + begin);
}

void AdamWTensors::replay(int64_t begin, int64_t count, const AdamWNumbers* numbers, int64_t steps) const {
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "adamw", [&] {
    scalar_t* of_values = values.mutable_data_ptr<scalar_t>() + begin;
    scalar_t* first = first_moment.mutable_data_ptr<scalar_t>() + begin;
    scalar_t* second = second_moment.mutable_data_ptr<scalar_t>() + begin;
    if (!is_zero(first, count) || !is_zero(second, count))
      return updates(of_values, nullptr, first, second, count, numbers, steps);
    // A row that no step has had yet: its moments stay zero, and only the decay is left.
    for (int64_t s = 0; s < steps; ++s) {
      const auto kept = static_cast<scalar_t>(numbers[s].kept);
      if (kept == 1) continue;
      for (int64_t i = 0; i < count; ++i) of_values[i] *= kept;
    }
  });
}

/// Each lane takes its part of every parameter.
void cpu::adamw(c10::ArrayRef<AdamWUpdate> updates, const UpdateScalars& scalars) {
  std::vector<AdamWNumbers> numbers;
  for (const AdamWUpdate& update : updates) numbers.push_back(update.numbers(scalars));
  const int64_t lanes = scalars.lanes->most();
  scalars.lanes->run(lanes, [&](int64_t lane) {
    for (size_t i = 0; i < updates.size(); ++i) {
      const AdamWUpdate& update = updates[i];
      const int64_t size = update.gradient.numel();
      const auto* gradient = static_cast<const char*>(update.gradient.const_data_ptr());
      const auto bytes = static_cast<int64_t>(update.gradient.element_size());
      const int64_t to = size * (lane + 1) / lanes;
      for (int64_t from = size * lane / lanes; from < to; from += kPiece)
        update.tensors.update(from, std::min(kPiece, to - from), gradient + from * bytes, numbers[i]);
    }
  });
}

}  // namespace rat
