#include "layers/dropout.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/check.h"
#include "core/cpu_versions.h"
#include "core/kernels.h"

namespace rat {
namespace {

constexpr int64_t kRowsPerTask = 16;

template <typename scalar_t>
RAT_ALWAYS_INLINE void mask_any_row(const scalar_t* x, const uint32_t* words, int64_t width,
                                    uint32_t threshold, scalar_t scale, scalar_t* out) {
  for (int64_t i = 0; i < width; ++i) out[i] = words[i] >= threshold ? x[i] * scale : scalar_t(0);
}

RAT_CPU_VERSIONS(mask_row,
                 (const float* x, const uint32_t* words, int64_t width, uint32_t threshold, float scale,
                  float* out),
                 mask_any_row<float>, (x, words, width, threshold, scale, out))
RAT_CPU_VERSIONS(mask_row_double,
                 (const double* x, const uint32_t* words, int64_t width, uint32_t threshold, double scale,
                  double* out),
                 mask_any_row<double>, (x, words, width, threshold, scale, out))
void mask_row(const double* x, const uint32_t* words, int64_t width, uint32_t threshold, double scale,
              double* out) {
  mask_row_double(x, words, width, threshold, scale, out);
}

template <typename scalar_t>
void apply_mask_cpu(const at::Tensor& x, at::Tensor& out, const MaskRows& rows, const StepScalars& scalars,
                    DropoutKind kind, uint32_t site_and_layer, int64_t element_stride) {
  const int64_t width = x.size(1);
  const auto* thresholds = scalars.dropout_threshold[static_cast<size_t>(kind)];
  const auto* scales = scalars.dropout_scale[static_cast<size_t>(kind)];
  const auto* source = x.const_data_ptr<scalar_t>();
  auto* target = out.data_ptr<scalar_t>();
  const auto* example_ids = rows.example_ids.const_data_ptr<int32_t>();
  const auto* positions = rows.positions.const_data_ptr<int32_t>();
  const auto* passes = rows.passes.const_data_ptr<int32_t>();
  at::parallel_for(0, x.size(0), kRowsPerTask, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> bits(static_cast<size_t>(width + 8));
    for (int64_t row = begin; row < end; ++row) {
      const auto pass = static_cast<size_t>(passes[row]);
      const uint32_t threshold = thresholds[pass];
      const auto scale = static_cast<scalar_t>(scales[pass]);
      // A row whose first element is not a multiple of four starts inside a block.
      const int64_t first = positions[row] * element_stride;
      const int64_t lead = first % 4;
      philox_fill(bits.data(), (lead + width + 3) / 4, scalars.step, static_cast<uint32_t>(example_ids[row]),
                  site_and_layer | static_cast<uint32_t>(pass), static_cast<uint32_t>(first / 4),
                  scalars.dropout_key);
      mask_row(source + row * width, bits.data() + lead, width, threshold, scale, target + row * width);
    }
  });
}

/// The backward pass applies the same mask, made again from the counter.
class CounterDropout : public torch::autograd::Function<CounterDropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& example_ids, const at::Tensor& positions,
                            const at::Tensor& passes, const at::Tensor& scalars, int64_t kind,
                            int64_t site_and_layer, int64_t element_stride) {
    auto& saved = context->saved_data;
    saved["rows"] = std::vector<at::Tensor>{example_ids, positions, passes};
    saved["scalars"] = scalars;
    saved["kind"] = kind;
    saved["site_and_layer"] = site_and_layer;
    saved["element_stride"] = element_stride;
    return masked(x, {example_ids, positions, passes}, scalars, kind, site_and_layer, element_stride);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    auto& saved = context->saved_data;
    const auto rows = saved["rows"].toTensorVector();
    const auto dx =
        masked(gradients[0], {rows[0], rows[1], rows[2]}, saved["scalars"].toTensor(), saved["kind"].toInt(),
               saved["site_and_layer"].toInt(), saved["element_stride"].toInt());
    return {dx, {}, {}, {}, {}, {}, {}, {}};
  }

 private:
  static at::Tensor masked(const at::Tensor& x, const MaskRows& rows, const at::Tensor& scalars, int64_t kind,
                           int64_t site_and_layer, int64_t element_stride) {
    return kernels::dropout_mask.on(x.device())(x.contiguous(), rows, scalars, static_cast<DropoutKind>(kind),
                                                static_cast<uint32_t>(site_and_layer), element_stride);
  }
};

}  // namespace

Dropout::Dropout(const StepScalars& scalars, at::Tensor on_device, int64_t first_pass, int64_t passes)
    : scalars(std::move(on_device)) {
  for (size_t kind = 0; kind < kDropoutKinds; ++kind) {
    const uint32_t* first = scalars.dropout_threshold[kind] + first_pass;
    is_active[kind] = std::any_of(first, first + passes, [](uint32_t threshold) { return threshold > 0; });
  }
}

at::Tensor cpu::dropout_mask(const at::Tensor& x, const MaskRows& rows, const at::Tensor& scalars,
                             DropoutKind kind, uint32_t site_and_layer, int64_t element_stride) {
  at::Tensor out = at::empty_like(x);
  const auto& on_host = *static_cast<const StepScalars*>(scalars.const_data_ptr());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout_mask", [&] {
    apply_mask_cpu<scalar_t>(x, out, rows, on_host, kind, site_and_layer, element_stride);
  });
  return out;
}

at::Tensor dropout(const at::Tensor& x, const MaskRows& rows, const Dropout& settings, DropoutSite site,
                   uint32_t layer, int64_t element_stride) {
  if (!settings.active(site)) return x;
  RAT_CHECK(x.dim() == 2 && x.size(0) == rows.example_ids.size(0), "ERR_RAT_INTERNAL",
            "dropout: one mask row for each of the ", x.size(0), " rows is needed");
  return CounterDropout::apply(
      x, rows.example_ids, rows.positions, rows.passes, settings.scalars, static_cast<int64_t>(kind_of(site)),
      static_cast<int64_t>(dropout_site(site, layer)), element_stride > 0 ? element_stride : x.size(1));
}

}  // namespace rat
