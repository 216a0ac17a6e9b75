// CUDA side of objective/perturbation.h: a warp a row, and no wait for a norm. Sums have a fixed order.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>

#include "core/kernels.h"
#include "core/step_scalars.h"
#include "cuda/reduce.cuh"
#include "cuda/warp_rows.cuh"
#include "objective/perturbation.h"

namespace rat::cuda {
namespace {

struct Radii {
  double of[kMaxForwards];
  int count;

  /// Of forward k, found by numbers that the compiler knows: an index would put the array into local memory.
  __device__ double at(int k) const {
    double radius = of[0];
#pragma unroll
    for (int i = 1; i < kMaxForwards; ++i)
      if (i == k) radius = of[i];
    return radius;
  }
};

/// As RowGroups.
struct Groups {
  const int32_t* starts;
  int64_t count, rows;

  /// The simulated device has other addresses.
  template <typename Apply>
  void for_each_pointer(Apply apply) {
    apply(starts);
  }

  __device__ int64_t begin(int64_t group) const { return starts ? starts[group] : 0; }
  __device__ int64_t end(int64_t group) const { return starts ? starts[group + 1] : rows; }
  /// -1: of none.
  __device__ int64_t of(int64_t row) const {
    if (row >= end(count - 1)) return -1;
    int64_t low = 0, high = count;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (begin(middle) <= row ? low : high) = middle;
    }
    return low;
  }
};

/// Of a row; a lane has every 32nd element.
template <typename Value>
__device__ double row_squares(int64_t width, Value value) {
  double squares = 0;
  for (int64_t d = threadIdx.x % 32; d < width; d += 32) {
    const double x = value(d);
    squares += x * x;
  }
  return warp_sum(squares);
}

/// 0: it cannot be used.
__device__ double usable_norm(const double* norms, int64_t group) {
  return group >= 0 && is_usable(norms[group]) ? norms[group] : 0;
}

template <typename scalar_t>
__global__ void __launch_bounds__(kRowThreads)
    square_rows(const scalar_t* x, int64_t rows, int64_t width, double* squares) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const double sum = row_squares(width, [&](int64_t d) { return static_cast<double>(x[row * width + d]); });
  if (threadIdx.x % 32 == 0) squares[row] = sum;
}

/// A block a group and copy. `unusable` may be null.
__global__ void __launch_bounds__(kThreads)
    add_groups(const double* squares, int64_t rows, Groups groups, double* norms, double* unusable) {
  RAT_SHARED(double, scratch, kThreads);
  const int64_t group = blockIdx.x;
  squares += blockIdx.y * rows;
  double sum = 0;
  for (int64_t row = groups.begin(group) + threadIdx.x; row < groups.end(group); row += blockDim.x)
    sum += squares[row];
  const double norm = std::sqrt(block_sum(sum, scratch));
  if (threadIdx.x > 0) return;
  norms[blockIdx.y * groups.count + group] = norm;
  if (unusable) unusable[group] = is_usable(norm) ? 0 : 1;
}

template <typename scalar_t>
__global__ void __launch_bounds__(kRowThreads)
    perturb_rows(const scalar_t* gradient, Groups groups, const double* norms, Radii radii, int64_t rows,
                 int64_t width, scalar_t* values, double* squares) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const double norm = usable_norm(norms, groups.of(row));
  for (int k = 0; k < radii.count; ++k) {
    scalar_t* to = values + (k * rows + row) * width;
    const double radius = radii.at(k);
    // Measured on what is added.
    const double sum = row_squares(width, [&](int64_t d) {
      const double slope = gradient[row * width + d];
      to[d] = norm > 0 ? static_cast<scalar_t>(slope / norm * radius) : scalar_t(0);
      return static_cast<double>(to[d]);
    });
    if (threadIdx.x % 32 == 0) squares[k * rows + row] = sum;
  }
}

/// The squares of what has moved, or, where `lengths` are their norms, of what that is on the ball; then it is written.
template <typename scalar_t>
__global__ void __launch_bounds__(kRowThreads)
    ascend_rows(const scalar_t* delta, const scalar_t* gradient, Groups groups, const double* norms,
                double step_size, const double* lengths, double radius, int64_t rows, int64_t width,
                scalar_t* values, double* squares) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const int64_t group = groups.of(row);
  const double norm = usable_norm(norms, group);
  const auto moved = [&](int64_t d) {
    const double old = delta[row * width + d];
    return norm > 0 ? old + static_cast<double>(gradient[row * width + d]) / norm * step_size : old;
  };
  const double factor = group < 0 || !lengths ? 0 : shortening(lengths[group], radius);
  const double sum = row_squares(width, [&](int64_t d) {
    if (!lengths) return moved(d);
    const auto inside = static_cast<scalar_t>(moved(d) * factor);
    values[row * width + d] = inside;
    return static_cast<double>(inside);
  });
  if (threadIdx.x % 32 == 0) squares[row] = sum;
}

template <typename scalar_t>
__global__ void __launch_bounds__(kRowThreads)
    embed_rows(const scalar_t* matrix, const int64_t* tokens, int64_t count, int64_t rows, int64_t width,
               const scalar_t* delta, int64_t delta_rows, const int64_t* slots, scalar_t* out) {
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  const int64_t copy = row / count, t = row % count;
  const scalar_t* from = matrix + tokens[t] * width;
  const scalar_t* added = delta ? delta + (copy * delta_rows + (slots ? slots[t] : t)) * width : nullptr;
  for (int64_t d = threadIdx.x % 32; d < width; d += 32)
    out[row * width + d] = added ? from[d] + added[d] : from[d];
}

Groups groups_of(const RowGroups& groups) {
  return {groups.starts.defined() ? groups.starts.const_data_ptr<int32_t>() : nullptr, groups.count,
          groups.rows};
}

/// Norms `[copies * groups]` from the squares of rows `[copies, rows]`.
at::Tensor norms_from(const at::Tensor& squares, const Groups& groups, at::Tensor* unusable = nullptr) {
  const auto copies = static_cast<unsigned>(squares.size(0));
  at::Tensor norms = at::empty({squares.size(0) * groups.count}, squares.options());
  if (unusable) *unusable = at::empty({groups.count}, squares.options());
  RAT_LAUNCH(add_groups, dim3(static_cast<unsigned>(groups.count), copies), kThreads,
             squares.const_data_ptr<double>(), squares.size(1), groups, norms.data_ptr<double>(),
             unusable ? unusable->data_ptr<double>() : nullptr);
  return norms;
}

template <typename scalar_t>
at::Tensor norms_of(const at::Tensor& x, const Groups& groups, at::Tensor* unusable = nullptr) {
  const at::Tensor squares = at::empty({1, x.size(0)}, x.options().dtype(at::kDouble));
  RAT_LAUNCH(square_rows<scalar_t>, blocks_of_rows(x.size(0)), kRowThreads, x.const_data_ptr<scalar_t>(),
             x.size(0), x.size(1), squares.data_ptr<double>());
  return norms_from(squares, groups, unusable);
}

}  // namespace

at::Tensor embed(const at::Tensor& matrix, const at::Tensor& tokens, int64_t copies, const at::Tensor& delta,
                 const at::Tensor& slots) {
  const int64_t count = tokens.size(0), rows = copies * count, width = matrix.size(1);
  at::Tensor out = at::empty({rows, width}, matrix.options());
  if (out.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES(matrix.scalar_type(), "embed", [&] {
    RAT_LAUNCH(embed_rows<scalar_t>, blocks_of_rows(rows), kRowThreads, matrix.const_data_ptr<scalar_t>(),
               tokens.const_data_ptr<int64_t>(), count, rows, width,
               delta.defined() ? delta.const_data_ptr<scalar_t>() : nullptr,
               delta.defined() ? delta.size(1) : 0,
               slots.defined() ? slots.const_data_ptr<int64_t>() : nullptr, out.data_ptr<scalar_t>());
  });
  return out;
}

at::Tensor group_norms(const at::Tensor& x, const RowGroups& groups) {
  at::Tensor norms;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "group_norms",
                             [&] { norms = norms_of<scalar_t>(x, groups_of(groups)); });
  return norms;
}

Perturbed perturb(const at::Tensor& gradient, const RowGroups& row_groups, const std::vector<double>& radii) {
  const Groups groups = groups_of(row_groups);
  const auto copies = static_cast<int64_t>(radii.size());
  const int64_t rows = gradient.size(0), width = gradient.size(1);
  Radii all{.of = {}, .count = static_cast<int>(copies)};
  std::copy(radii.begin(), radii.end(), all.of);
  Perturbed result{.values = at::empty({copies, rows, width}, gradient.options())};
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "perturb", [&] {
    const at::Tensor norms = norms_of<scalar_t>(gradient, groups, &result.unusable);
    const at::Tensor squares = at::empty({copies, rows}, norms.options());
    RAT_LAUNCH(perturb_rows<scalar_t>, blocks_of_rows(rows), kRowThreads, gradient.const_data_ptr<scalar_t>(),
               groups, norms.const_data_ptr<double>(), all, rows, width, result.values.data_ptr<scalar_t>(),
               squares.data_ptr<double>());
    result.norms = norms_from(squares, groups);
  });
  return result;
}

Perturbed ascend(const at::Tensor& delta, const at::Tensor& gradient, const RowGroups& row_groups,
                 double step_size, double radius) {
  const Groups groups = groups_of(row_groups);
  const int64_t rows = gradient.size(0), width = gradient.size(1);
  Perturbed result{.values = at::empty({1, rows, width}, gradient.options())};
  AT_DISPATCH_FLOATING_TYPES(gradient.scalar_type(), "ascend", [&] {
    const at::Tensor norms = norms_of<scalar_t>(gradient, groups, &result.unusable);
    const at::Tensor squares = at::empty({1, rows}, norms.options());
    const auto pass = [&](const double* lengths) {
      RAT_LAUNCH(ascend_rows<scalar_t>, blocks_of_rows(rows), kRowThreads, delta.const_data_ptr<scalar_t>(),
                 gradient.const_data_ptr<scalar_t>(), groups, norms.const_data_ptr<double>(), step_size,
                 lengths, radius, rows, width, result.values.data_ptr<scalar_t>(),
                 squares.data_ptr<double>());
      return norms_from(squares, groups);
    };
    const at::Tensor lengths = pass(nullptr);
    result.norms = pass(lengths.const_data_ptr<double>());
  });
  return result;
}

}  // namespace rat::cuda
