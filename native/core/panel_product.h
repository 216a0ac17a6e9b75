// Products of a few rows with one small matrix, again and again: what a recurrent layer does at each step. A general product's
// preparation takes longer than such a product.
#pragma once

#include <ATen/ATen.h>

namespace rat {

/// The matrix `[k, n]` in panels of 32 columns, each `[k, 32]`, the last filled up with zeros.
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
