// Matrix products on the CPU whose preparation does not depend on the number of rows. oneDNN writes machine code for each shape
// that it meets, a few tenths of a millisecond each, and every batch has a shape of its own: of a small encoder's step that was
// half. Here one matrix is laid out in panels, and blocks of rows go through them, whatever their number.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace rat {

/// Whether `x` is on a CPU whose vectors make these products as fast as any: of float, double and perhaps bf16.
bool takes_panels(const at::Tensor& x);

/// matmul_transposed (core/matmul.h) of such. A row of the result does not depend on what other rows there are.
at::Tensor panel_product(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                         at::ScalarType result);

/// add_matmul_transposed of such.
void add_panel_product(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight);

/// One small matrix `[k, n]` that few rows are multiplied with, again and again: what a recurrent layer does at each step.
template <typename scalar_t>
class PanelProduct {
 public:
  /// `matrix` may be a transposed view.
  explicit PanelProduct(const at::Tensor& matrix);

  /// to `[rows, n]` += from `[rows, k]` times the matrix. Strides are from row to row.
  void add(int64_t rows, const scalar_t* from, int64_t from_stride, scalar_t* to, int64_t to_stride) const;

 private:
  int64_t k_, n_;
  at::Tensor panels_;  // [n / 32, k, 32]
};

}  // namespace rat
