#include "layers/dropout.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <iterator>

#include "core/check.h"
#include "core/cpu_versions.h"
#include "core/held.h"
#include "core/kernels.h"
#include "core/lanes.h"

namespace rat {
namespace {

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
void apply_mask_cpu(const at::Tensor& x, at::Tensor& out, const SiteMask& mask, int64_t element_stride) {
  const int64_t width = x.size(1);
  const auto* source = x.const_data_ptr<scalar_t>();
  auto* target = out.data_ptr<scalar_t>();
  const auto* positions = mask.rows.positions.const_data_ptr<int32_t>();
  in_parallel(x.size(0), least_rows(width), [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> words;
    for (int64_t row = begin; row < end; ++row) {
      const MaskStream stream = mask.stream(row);
      const uint32_t* of_row = draw(stream, positions[row] * element_stride, width, words);
      mask_row(source + row * width, of_row, width, stream.threshold, static_cast<scalar_t>(stream.scale),
               target + row * width);
    }
  });
}

using HeldMask = Held<SiteMask>;

/// The backward pass applies the same mask, made again from the counter.
class CounterDropout : public torch::autograd::Function<CounterDropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<HeldMask>& held, int64_t element_stride) {
    context->saved_data["mask"] = c10::IValue::make_capsule(held);
    context->saved_data["element_stride"] = element_stride;
    return kernels::dropout_mask.on(x.device())(x.contiguous(), held->value, element_stride);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor& dy = gradients[0];
    const auto capsule = context->saved_data["mask"].toCapsule();
    return {
        kernels::dropout_mask.on(dy.device())(dy.contiguous(), static_cast<const HeldMask&>(*capsule).value,
                                              context->saved_data["element_stride"].toInt()),
        {},
        {}};
  }
};

}  // namespace

Dropout::Dropout(const StepScalars& scalars, at::Tensor on_device, int64_t first_pass, int64_t passes)
    : scalars(std::move(on_device)) {
  for (size_t kind = 0; kind < kDropoutKinds; ++kind) {
    const uint32_t* first = scalars.dropout_threshold[kind] + first_pass;
    is_active[kind] = std::any_of(first, first + passes, [](uint32_t threshold) { return threshold > 0; });
  }
  const double* scale = scalars.dropout_scale[static_cast<size_t>(DropoutKind::kAttention)] + first_pass;
  std::transform(scale, scale + passes, std::back_inserter(attention_rates),
                 [](double each) { return 1 - 1 / each; });
}

SiteMask Dropout::mask(const MaskRows& rows, DropoutSite site, uint32_t layer) const {
  return {rows, active(site) ? scalars : at::Tensor(), kind_of(site), dropout_site(site, layer)};
}

MaskStream SiteMask::stream(int64_t row) const {
  return mask_stream(*static_cast<const StepScalars*>(scalars.const_data_ptr()), kind, site_and_layer,
                     rows.passes.const_data_ptr<int32_t>()[row],
                     rows.example_ids.const_data_ptr<int32_t>()[row]);
}

const uint32_t* draw(const MaskStream& mask, int64_t first, int64_t count, std::vector<uint32_t>& words) {
  constexpr int64_t kRegister = 16;
  const int64_t lead = first % 4, blocks = (lead + count + 3) / 4;  // the first may stand inside a block
  const auto wanted = static_cast<size_t>(4 * blocks + kRegister);
  if (words.size() < wanted) words.resize(wanted);
  philox_fill(words.data(), blocks, mask.step, mask.example, mask.place, static_cast<uint32_t>(first / 4),
              mask.key);
  return words.data() + lead;
}

at::Tensor cpu::dropout_mask(const at::Tensor& x, const SiteMask& mask, int64_t element_stride) {
  at::Tensor out = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout_mask",
                             [&] { apply_mask_cpu<scalar_t>(x, out, mask, element_stride); });
  return out;
}

at::Tensor dropout(const at::Tensor& x, const MaskRows& rows, const Dropout& settings, DropoutSite site,
                   uint32_t layer, int64_t element_stride) {
  if (!settings.active(site)) return x;
  RAT_CHECK(x.dim() == 2 && x.size(0) == rows.example_ids.size(0), "ERR_RAT_INTERNAL",
            "dropout: one mask row for each of the ", x.size(0), " rows is needed");
  return CounterDropout::apply(x, hold(settings.mask(rows, site, layer)),
                               element_stride > 0 ? element_stride : x.size(1));
}

}  // namespace rat
