// The adversarial perturbation delta = epsilon * g / ||g||_2 of the word-embedding matrix (R-AT, equations 4
// and 5), on the rows of the batch's tokens. The matrix itself is never written: adding and subtracting would
// not restore its bits.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "core/device_batch.h"

namespace rat {

/// Adds to `sums` `[U + 1, D]` the gradients `drows` `[copies * T, D]` of the gathered rows, all occurrences
/// of a token together: the rows of the matrix's gradient that are not zero. Padding is left out (row U stays
/// as it is).
void add_token_gradients(const at::Tensor& drows, const BatchVocabulary& vocabulary, int64_t copies,
                         at::Tensor& sums);

/// L2 norm of the first U rows of `sums`, 0-dimensional double on its device.
at::Tensor gradient_norm(const at::Tensor& sums);

/// The perturbation of the matrix's rows that the batch has, once for each forward.
struct Perturbation {
  at::Tensor rows;   // [K, U + 1, D]: delta; row U (padding) is zero
  at::Tensor norms;  // [K] double: L2 norm of each delta, measured on its rows
};

/// delta_k = epsilon[k] * g / norm, with g and its norm from above. A norm that is zero or not finite gives
/// no perturbation: zeros.
Perturbation perturbation(const at::Tensor& sums, const at::Tensor& norm, const std::vector<double>& epsilon);

/// K perturbed copies of the gathered rows `[T, D]`, laid end to end.
at::Tensor perturbed_rows(const at::Tensor& rows, const Perturbation& delta,
                          const BatchVocabulary& vocabulary);

}  // namespace rat
