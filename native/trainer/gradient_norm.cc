#include "trainer/gradient_norm.h"

#include <algorithm>
#include <cmath>

#include "core/vectors.h"

namespace rat {
namespace {

constexpr int64_t kNumbersOfPiece = 1 << 14;

template <typename scalar_t>
RAT_ALWAYS_INLINE void any_squares(const scalar_t* x, int64_t count, double* total) {
  constexpr int64_t kCount = Vectors<double>::kCount;
  typedef scalar_t Several __attribute__((vector_size(kCount * sizeof(scalar_t))));
  typename Vectors<double>::Vector sums[4]{};
  int64_t i = 0;
  for (; i + 4 * kCount <= count; i += 4 * kCount)
    for (int64_t j = 0; j < 4; ++j) {
      Several several;
      std::memcpy(&several, x + i + j * kCount, sizeof several);
      const auto wide = __builtin_convertvector(several, Vectors<double>::Vector);
      sums[j] += wide * wide;
    }
  double rest = 0;
  for (; i < count; ++i) rest += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  *total = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

RAT_CPU_VERSIONS(squares_float, (const float* x, int64_t count, double* total), any_squares,
                 (x, count, total))
RAT_CPU_VERSIONS(squares_double, (const double* x, int64_t count, double* total), any_squares,
                 (x, count, total))

/// Of one tensor's numbers from `first` on.
struct Piece {
  const at::Tensor* gradient;
  int64_t first;

  double squares() const {
    const int64_t count = std::min(kNumbersOfPiece, gradient->numel() - first);
    double total = 0;
    if (gradient->scalar_type() == at::kDouble)
      squares_double(gradient->const_data_ptr<double>() + first, count, &total);
    else
      squares_float(gradient->const_data_ptr<float>() + first, count, &total);
    return total;
  }
};

}  // namespace

at::Tensor global_norm(const std::vector<at::Tensor>& gradients, Lanes& lanes) {
  if (!gradients[0].is_cpu())
    return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2, at::kDouble)), 2);
  std::vector<Piece> pieces;
  for (const at::Tensor& gradient : gradients)
    for (int64_t first = 0; first < gradient.numel(); first += kNumbersOfPiece)
      pieces.push_back({&gradient, first});
  std::vector<double> sums(pieces.size());
  const int64_t most = lanes.most();
  lanes.run(most, [&](int64_t lane) {
    for (auto i = static_cast<size_t>(lane); i < pieces.size(); i += static_cast<size_t>(most))
      sums[i] = pieces[i].squares();
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return at::scalar_tensor(std::sqrt(total), at::kDouble);
}

}  // namespace rat
