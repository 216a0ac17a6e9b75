// What an adversary adds to the embedded rows of a step. The word-embedding matrix itself is never written: adding
// and subtracting would not restore its bits. A perturbation is a constant: no gradient goes through it.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/device_batch.h"
#include "core/random.h"  // RAT_HOST_DEVICE
#include "objective/noise.h"

namespace rat {

/// What one perturbation, with one norm, is of.
enum class Scope {
  kMatrix,   // the word-embedding matrix: the same wherever a token stands
  kExample,  // each example: all its positions and dimensions
};

struct Perturbation {
  Scope scope = Scope::kMatrix;
  /// kMatrix: one, `[K, U + 1, D]`, of the matrix's rows; row U (padding) is zero.
  /// kExample: one for each batch, `[K, T, D]`, of its embedded rows.
  std::vector<at::Tensor> values;

  at::Tensor norm;     // 0-dimensional double: mean L2 norm, over the K forwards and the examples
  at::Tensor skipped;  // 0-dimensional double: norms of a gradient that were zero or not finite
};

/// Rows of a tensor that share a norm, group after group. Rows behind the last group (padding, filler) are in none, and zero.
struct RowGroups {
  at::Tensor
      starts;  // [count + 1] int32: the first row of each, and the end; undefined: one group, of the first `rows`
  int64_t count = 1;
  int64_t rows = 0;
};

/// What the kernels that perturb give, of one place of Perturbation::values.
struct Perturbed {
  at::Tensor values;      // [K, rows, D]
  at::Tensor norms = {};  // [K * groups] double, of the values
  at::Tensor unusable =
      {};  // [groups] double: 1 where the norm of the gradient is zero or not finite, else 0
};

/// Whether a gradient of this norm has a direction.
RAT_HOST_DEVICE bool is_usable(double norm) { return norm > 0 && norm <= 1.7976931348623157e308; }

/// What brings a perturbation of this length back onto the ball of `radius`; 1 inside.
RAT_HOST_DEVICE double shortening(double length, double radius) {
  const double factor = radius / length;
  return factor < 1 ? factor : 1;
}

/// Adds to `sums` `[U + 1, D]` the gradients `drows` `[copies * T, D]` of the gathered rows, all occurrences
/// of a token together: the rows of the matrix's gradient that are not zero. Padding is left out (row U stays
/// as it is).
void add_token_gradients(const at::Tensor& drows, const TokenSlots& slots, int64_t copies, at::Tensor& sums);

/// delta_k = epsilon[k] * g / ||g||_2 (R-AT, equations 4 and 5). A norm that is zero or not finite gives zeros.
/// `gradients`: as Perturbation::values, without the K.
Perturbation perturbation(Scope scope, const std::vector<at::Tensor>& gradients, const DeviceStep& step,
                          const std::vector<double>& epsilon);

/// A start for a search: none yet. `like` has the type of the embeddings, `width` is D.
Perturbation zero_perturbation(Scope scope, const DeviceStep& step, const at::TensorOptions& like,
                               int64_t width);

/// Another start: noise * radius / sqrt(numbers that the norm is over), so that uniform noise is inside the ball of
/// `radius` (FreeLB, Algorithm 1, line 5).
Perturbation random_start(Scope scope, Noise noise, double radius, const DeviceStep& step,
                          const at::TensorOptions& like, int64_t width);

/// noise * scale, by example.
Perturbation random_noise(Noise noise, double scale, const DeviceStep& step, const at::TensorOptions& like,
                          int64_t width);

/// For a forward of two copies: the first as it is, the second with `delta`.
Perturbation beside_clean(const Perturbation& delta);

/// Leaves tokens that are to be spared out of a gradient or a perturbation, as Perturbation::values without the K.
void spare_tokens(Scope scope, at::Tensor& x, const DeviceStep& step, size_t place);

/// One step of projected gradient ascent: delta + step_size * g / ||g||_2, and back onto the ball of `radius`
/// where it left it. Where the norm is zero or not finite, delta stays.
Perturbation ascended(const Perturbation& delta, const std::vector<at::Tensor>& gradients,
                      const DeviceStep& step, double step_size, double radius);

/// A batch's embedded rows `[T, D]` of `matrix`, `copies` times end to end, each copy with its perturbation, if there is one.
at::Tensor embedded_rows(const at::Tensor& matrix, const DeviceBatch& batch, int64_t copies);
at::Tensor embedded_rows(const at::Tensor& matrix, const Perturbation& delta, const DeviceStep& step,
                         size_t batch);

}  // namespace rat
