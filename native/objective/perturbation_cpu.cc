// The CPU's kernels of perturbation.h. All that is calculated is in double: the scale of a tiny gradient is beyond the range of
// a float, its product with the gradient is not. Sums have a fixed order: the same bits with any number of threads.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "core/lanes.h"
#include "objective/perturbation.h"

namespace rat {
namespace {

constexpr int64_t kPerturbedRowsOfPart = 256;

/// Of `value(d)` for d = 0 .. width - 1, in several sums that a processor forms side by side.
template <typename Value>
double sum_of_squares(int64_t width, Value value) {
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  int64_t d = 0;
  for (; d + kSums <= width; d += kSums)
    for (int64_t i = 0; i < kSums; ++i) {
      const double x = value(d + i);
      sums[i] += x * x;
    }
  for (; d < width; ++d) {
    const double x = value(d);
    sums[0] += x * x;
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

class Groups {
 public:
  explicit Groups(const RowGroups& groups)
      : starts_(groups.starts.defined() ? groups.starts.const_data_ptr<int32_t>() : nullptr),
        count_(groups.count),
        rows_(groups.rows) {}

  int64_t begin(int64_t group) const { return starts_ ? starts_[group] : 0; }
  int64_t end(int64_t group) const { return starts_ ? starts_[group + 1] : rows_; }
  /// -1: of none.
  int64_t of(int64_t row) const {
    if (row >= end(count_ - 1)) return -1;
    return starts_ ? std::upper_bound(starts_, starts_ + count_ + 1, row) - starts_ - 1 : 0;
  }

  /// Norms `[copies * count]` from the squares of rows `[copies, rows]`.
  at::Tensor norms(const at::Tensor& squares) const {
    const int64_t copies = squares.size(0), rows = squares.size(1);
    at::Tensor result = at::empty({copies * count_}, squares.options());
    const auto* from = squares.const_data_ptr<double>();
    auto* to = result.data_ptr<double>();
    for (int64_t copy = 0; copy < copies; ++copy, from += rows)
      for (int64_t group = 0; group < count_; ++group, ++to) {
        *to = 0;
        for (int64_t row = begin(group); row < end(group); ++row) *to += from[row];
        *to = std::sqrt(*to);
      }
    return result;
  }

 private:
  const int32_t* starts_;
  int64_t count_, rows_;
};

/// `[copies, rows]`: `of(copy, row)`.
template <typename Of>
at::Tensor squares_of_rows(int64_t copies, int64_t rows, Of of) {
  at::Tensor squares = at::empty({copies, rows}, at::kDouble);
  auto* to = squares.data_ptr<double>();
  in_parallel(rows, kPerturbedRowsOfPart, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t copy = 0; copy < copies; ++copy) to[copy * rows + row] = of(copy, row);
  });
  return squares;
}

template <typename scalar_t>
at::Tensor norms_of(const at::Tensor& x, const Groups& groups) {
  const int64_t width = x.size(1);
  const auto* values = x.const_data_ptr<scalar_t>();
  return groups.norms(squares_of_rows(1, x.size(0), [&](int64_t, int64_t row) {
    return sum_of_squares(width, [&](int64_t d) { return static_cast<double>(values[row * width + d]); });
  }));
}

at::Tensor unusable_of(const at::Tensor& norms) {
  at::Tensor result = at::empty_like(norms);
  const auto* from = norms.const_data_ptr<double>();
  std::transform(from, from + norms.numel(), result.data_ptr<double>(),
                 [](double norm) { return is_usable(norm) ? 0.0 : 1.0; });
  return result;
}

/// 0: it cannot be used.
double usable_norm(const double* norms, int64_t group) {
  return group >= 0 && is_usable(norms[group]) ? norms[group] : 0;
}

}  // namespace

at::Tensor cpu::embed(const at::Tensor& matrix, const at::Tensor& tokens, int64_t copies,
                      const at::Tensor& delta, const at::Tensor& slots) {
  const int64_t count = tokens.size(0), width = matrix.size(1);
  at::Tensor out = at::empty({copies * count, width}, matrix.options());
  AT_DISPATCH_FLOATING_TYPES(matrix.scalar_type(), "embed", [&] {
    const auto* rows = matrix.const_data_ptr<scalar_t>();
    const auto* ids = tokens.const_data_ptr<int64_t>();
    const auto* deltas = delta.defined() ? delta.const_data_ptr<scalar_t>() : nullptr;
    const auto* of_token = slots.defined() ? slots.const_data_ptr<int64_t>() : nullptr;
    auto* to = out.data_ptr<scalar_t>();
    in_parallel(copies * count, kPerturbedRowsOfPart, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t t = i % count;
        const scalar_t* row = rows + ids[t] * width;
        scalar_t* sum = to + i * width;
        if (deltas == nullptr) {
          std::copy(row, row + width, sum);
          continue;
        }
        const scalar_t* added = deltas + (i / count * delta.size(1) + (of_token ? of_token[t] : t)) * width;
        for (int64_t d = 0; d < width; ++d) sum[d] = row[d] + added[d];
      }
    });
  });
  return out;
}

at::Tensor cpu::group_norms(const at::Tensor& x, const RowGroups& groups) {
  at::Tensor norms;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "group_norms",
                             [&] { norms = norms_of<scalar_t>(x, Groups(groups)); });
  return norms;
}

Perturbed cpu::perturb(const at::Tensor& gradient, const RowGroups& row_groups,
                       const std::vector<double>& radii) {
  const Groups groups(row_groups);
  const auto copies = static_cast<int64_t>(radii.size());
  const int64_t rows = gradient.size(0), width = gradient.size(1);
  Perturbed result{.values = at::empty({copies, rows, width}, gradient.options())};
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "perturb", [&] {
    const at::Tensor norms = norms_of<scalar_t>(gradient, groups);
    const auto* of_groups = norms.const_data_ptr<double>();
    const auto* slope = gradient.const_data_ptr<scalar_t>();
    auto* values = result.values.data_ptr<scalar_t>();
    // Measured on what is added.
    const at::Tensor squares = squares_of_rows(copies, rows, [&](int64_t copy, int64_t row) {
      const double norm = usable_norm(of_groups, groups.of(row));
      const double radius = radii[static_cast<size_t>(copy)];
      const scalar_t* from = slope + row * width;
      scalar_t* to = values + (copy * rows + row) * width;
      for (int64_t d = 0; d < width; ++d)
        to[d] = norm > 0 ? static_cast<scalar_t>(static_cast<double>(from[d]) / norm * radius) : scalar_t(0);
      return sum_of_squares(width, [&](int64_t d) { return static_cast<double>(to[d]); });
    });
    result.norms = groups.norms(squares);
    result.unusable = unusable_of(norms);
  });
  return result;
}

Perturbed cpu::ascend(const at::Tensor& delta, const at::Tensor& gradient, const RowGroups& row_groups,
                      double step_size, double radius) {
  const Groups groups(row_groups);
  const int64_t rows = gradient.size(0), width = gradient.size(1);
  Perturbed result{.values = at::empty({1, rows, width}, gradient.options())};
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "ascend", [&] {
    const at::Tensor norms = norms_of<scalar_t>(gradient, groups);
    const auto* of_groups = norms.const_data_ptr<double>();
    const auto *from = delta.const_data_ptr<scalar_t>(), *slope = gradient.const_data_ptr<scalar_t>();
    auto* values = result.values.data_ptr<scalar_t>();
    const auto moved = [&](double norm, int64_t i) {
      const double old = from[i];
      return norm > 0 ? old + static_cast<double>(slope[i]) / norm * step_size : old;
    };
    const at::Tensor lengths = groups.norms(squares_of_rows(1, rows, [&](int64_t, int64_t row) {
      const double norm = usable_norm(of_groups, groups.of(row));
      return sum_of_squares(width, [&](int64_t d) { return moved(norm, row * width + d); });
    }));
    const at::Tensor squares = squares_of_rows(1, rows, [&](int64_t, int64_t row) {
      const int64_t group = groups.of(row);
      const double norm = usable_norm(of_groups, group);
      const double factor = group < 0 ? 0 : shortening(lengths.const_data_ptr<double>()[group], radius);
      scalar_t* to = values + row * width;
      for (int64_t d = 0; d < width; ++d)
        to[d] = static_cast<scalar_t>(moved(norm, row * width + d) * factor);
      return sum_of_squares(width, [&](int64_t d) { return static_cast<double>(to[d]); });
    });
    result.norms = groups.norms(squares);
    result.unusable = unusable_of(norms);
  });
  return result;
}

}  // namespace rat
