// The operators that have a kernel for each device: one table, and the one place that chooses. A new
// kernel is a line here, `cpu::name` beside the layer that uses it, `cuda::name` in native/cuda/name.cu,
// and a case in test/gpu-sim/kernels_test.cc. What an operator computes is said where it is used, in
// layers/ and objective/.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "core/check.h"

namespace rat {

struct AdamWUpdate;
struct AttentionShape;
enum class Noise : uint32_t;
struct ForwardLosses;
struct LossOptions;
struct LossScales;
struct Perturbed;
struct RecurrentLayer;
struct RowGroups;
struct Segments;
struct SiteMask;
struct Taps;
struct UpdateScalars;

template <typename Signature>
class Kernel;

/// One line of the table.
template <typename Result, typename... Arguments>
class Kernel<Result(Arguments...)> {
 public:
  using Function = Result(Arguments...);
  constexpr Kernel(const char* name, Function* cpu, Function* cuda) : name_(name), cpu_(cpu), cuda_(cuda) {}

  /// The kernel for `device`; ERR_RAT_DEVICE where there is none.
  Function& on(at::Device device) const {
    Function* const chosen = device.is_cpu() ? cpu_ : device.is_cuda() ? cuda_ : nullptr;
    RAT_CHECK(chosen != nullptr, "ERR_RAT_DEVICE", name_, " has no kernel for ", device, " in this build");
    return *chosen;
  }

 private:
  const char* name_;
  Function *cpu_, *cuda_;
};

#ifdef RAT_CUDA
#define RAT_CUDA_KERNEL(name) &cuda::name
#else
#define RAT_CUDA_KERNEL(name) nullptr
#endif

template <typename Signature>
using Declared = Signature;

/// Declares `cpu::name` and `cuda::name`, and `kernels::name`, which chooses between them.
#define RAT_KERNEL(name, ...)                                                          \
  namespace cpu {                                                                      \
  Declared<__VA_ARGS__> name;                                                          \
  }                                                                                    \
  namespace cuda {                                                                     \
  Declared<__VA_ARGS__> name;                                                          \
  }                                                                                    \
  namespace kernels {                                                                  \
  inline constexpr Kernel<__VA_ARGS__> name{#name, &cpu::name, RAT_CUDA_KERNEL(name)}; \
  }

// optim/adamw_update.h. One step of all parameters, with their moments and copies in bf16.
RAT_KERNEL(adamw, void(c10::ArrayRef<AdamWUpdate> updates, const UpdateScalars& scalars))

// layers/dropout.h. x `[rows, width]` contiguous -> x times the masks of its rows over (1 - rate).
RAT_KERNEL(dropout_mask, at::Tensor(const at::Tensor& x, const SiteMask& mask, int64_t element_stride))

// layers/rows.h. Adds to sums `[N, D]` what stands in the rows of each segment of x `[copies * rows, D]`.
RAT_KERNEL(add_segments,
           void(const at::Tensor& x, const Segments& segments, int64_t copies, at::Tensor& sums))

// layers/conv_max_pool.h. -> maxima `[S, features]`, and where in its sequence each winning window begins.
RAT_KERNEL(conv_max_pool,
           std::tuple<at::Tensor, at::Tensor>(const at::Tensor& x, const at::Tensor& weight,
                                              const at::Tensor& bias, const std::vector<int64_t>& starts,
                                              const at::Tensor& starts_index, const at::Tensor& ends_index,
                                              const Taps& taps))
// -> gradients of x, weight and bias from that of the maxima before the ReLU.
RAT_KERNEL(conv_max_pool_backward,
           std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor& dmaxima, const at::Tensor& x,
                                                          const at::Tensor& weight, const at::Tensor& winners,
                                                          const std::vector<int64_t>& starts,
                                                          const at::Tensor& starts_index,
                                                          const at::Tensor& ends_index, const Taps& taps))

// layers/attention_pool.h. -> weights `[tokens]`, weighted sums `[S, D]`.
RAT_KERNEL(attention_pool,
           std::tuple<at::Tensor, at::Tensor>(const at::Tensor& scores, const at::Tensor& values,
                                              const std::vector<int64_t>& starts,
                                              const at::Tensor& starts_index))
// -> gradients of scores and values.
RAT_KERNEL(attention_pool_backward,
           std::tuple<at::Tensor, at::Tensor>(const at::Tensor& dout, const at::Tensor& values,
                                              const at::Tensor& weights, const std::vector<int64_t>& starts,
                                              const at::Tensor& starts_index))

// layers/attention.h. -> result `[queries, D]`, and on CUDA the logarithm of each row's sum of exponentials
// `[heads, queries]`, which its backward pass starts from; the CPU's begins anew. Where queries stand in
// `qkv`, `queries` is `qkv`.
RAT_KERNEL(attention, std::tuple<at::Tensor, at::Tensor>(const at::Tensor& qkv, const at::Tensor& queries,
                                                         const AttentionShape& shape))
// -> gradients of qkv and queries; one tensor where they are.
RAT_KERNEL(attention_backward,
           std::tuple<at::Tensor, at::Tensor>(const at::Tensor& dout, const at::Tensor& qkv,
                                              const at::Tensor& queries, const at::Tensor& out,
                                              const at::Tensor& log_sums, const AttentionShape& shape))

// layers/gelu.h. -> the gradient of x `[rows, width]`, and its sums over the rows `[width]`, of bf16 in float.
RAT_KERNEL(gelu_backward, std::tuple<at::Tensor, at::Tensor>(const at::Tensor& dy, const at::Tensor& x))

// layers/add_norm.h. -> norm(residual + masked x), that sum, and mean and 1 / deviation of its rows `[rows, 2]`.
RAT_KERNEL(add_norm,
           std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor& x, const at::Tensor& residual,
                                                          const at::Tensor& weight, const at::Tensor& bias,
                                                          double eps, const SiteMask& mask))
// -> gradients of x, in `type`, of residual, weight and bias; the first two may be one tensor.
RAT_KERNEL(add_norm_backward, std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(
                                  const at::Tensor& dy, const at::Tensor& sum, const at::Tensor& stats,
                                  const at::Tensor& weight, at::ScalarType type, const SiteMask& mask))

// layers/embedding_norm.h. -> masked norm(x + rows of both tables), that sum, and its rows' statistics as add_norm's. `positions`
// begins with the row of position 0; without `token_types` none are added, without `type_of_row` the first.
RAT_KERNEL(embedding_norm,
           std::tuple<at::Tensor, at::Tensor, at::Tensor>(const at::Tensor& x, const at::Tensor& positions,
                                                          const at::Tensor& token_types,
                                                          const at::Tensor& type_of_row,
                                                          const at::Tensor& weight, const at::Tensor& bias,
                                                          double eps, const SiteMask& mask))

// layers/recurrent.h. CUDA: cuDNN, through ATen.
RAT_KERNEL(bidirectional,
           at::Tensor(const at::Tensor& x, const at::Tensor& batch_sizes, const RecurrentLayer& layer))

// objective/perturbation.h. Rows `tokens` of the matrix, `copies` times end to end; copy k with row `slots[t]`, or row t, of
// delta[k], if there is one.
RAT_KERNEL(embed, at::Tensor(const at::Tensor& matrix, const at::Tensor& tokens, int64_t copies,
                             const at::Tensor& delta, const at::Tensor& slots))
// -> L2 norms of the groups of x's rows `[count]` double.
RAT_KERNEL(group_norms, at::Tensor(const at::Tensor& x, const RowGroups& groups))
RAT_KERNEL(perturb,
           Perturbed(const at::Tensor& gradient, const RowGroups& groups, const std::vector<double>& radii))
RAT_KERNEL(ascend, Perturbed(const at::Tensor& delta, const at::Tensor& gradient, const RowGroups& groups,
                             double step_size, double radius))

// objective/noise.h. ids, positions `[rows]` int32; scalars: the step's -> `[rows, width]` double.
RAT_KERNEL(noise, at::Tensor(const at::Tensor& ids, const at::Tensor& positions, int64_t width,
                             const at::Tensor& scalars, Noise noise))

// objective/losses.h.
RAT_KERNEL(forward_losses, ForwardLosses(const at::Tensor& logits, const at::Tensor& labels, int64_t forwards,
                                         const LossOptions& options, const LossScales& scales))

}  // namespace rat
