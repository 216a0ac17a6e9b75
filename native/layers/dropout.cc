#include "layers/dropout.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/kernels.h"

namespace rat {
namespace {

constexpr int64_t kRowsPerTask = 16;

template <typename scalar_t>
void apply_mask_cpu(const at::Tensor& x, at::Tensor& out, const MaskRows& rows, const Dropout& settings,
                    uint32_t site_and_layer, int64_t element_stride) {
  const int64_t width = x.size(1);
  const auto* source = x.const_data_ptr<scalar_t>();
  auto* target = out.data_ptr<scalar_t>();
  const auto* example_ids = rows.example_ids.const_data_ptr<int32_t>();
  const auto* positions = rows.positions.const_data_ptr<int32_t>();
  const auto* passes = rows.passes.const_data_ptr<int32_t>();
  at::parallel_for(0, x.size(0), kRowsPerTask, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> bits(static_cast<size_t>(width + 8));
    for (int64_t row = begin; row < end; ++row) {
      const auto pass = static_cast<size_t>(passes[row]);
      const uint32_t threshold = dropout_threshold(settings.rates[pass]);
      const auto scale = static_cast<scalar_t>(1.0 / (1.0 - settings.rates[pass]));
      // A row whose first element is not a multiple of four starts inside a block.
      const int64_t first = positions[row] * element_stride;
      const int64_t lead = first % 4;
      philox_fill(bits.data(), (lead + width + 3) / 4, settings.step, static_cast<uint32_t>(example_ids[row]),
                  site_and_layer | static_cast<uint32_t>(pass), static_cast<uint32_t>(first / 4),
                  settings.key);
      const uint32_t* word = bits.data() + lead;
      const scalar_t* in = source + row * width;
      scalar_t* result = target + row * width;
      for (int64_t i = 0; i < width; ++i) result[i] = word[i] >= threshold ? in[i] * scale : scalar_t(0);
    }
  });
}

at::Tensor apply_mask(const at::Tensor& x, const MaskRows& rows, const Dropout& settings,
                      uint32_t site_and_layer, int64_t element_stride) {
  return kernels::dropout_mask.on(x.device())(x.contiguous(), rows, settings, site_and_layer, element_stride);
}

/// The backward pass applies the same mask, made again from the counter.
class CounterDropout : public torch::autograd::Function<CounterDropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& example_ids, const at::Tensor& positions,
                            const at::Tensor& passes, int64_t key, int64_t step,
                            const std::vector<double>& rates, int64_t site_and_layer,
                            int64_t element_stride) {
    context->saved_data["rows"] = std::vector<at::Tensor>{example_ids, positions, passes};
    context->saved_data["key"] = key;
    context->saved_data["step"] = step;
    context->saved_data["rates"] = rates;
    context->saved_data["site_and_layer"] = site_and_layer;
    context->saved_data["element_stride"] = element_stride;
    return apply_mask(x, {example_ids, positions, passes}, settings(key, step, rates),
                      static_cast<uint32_t>(site_and_layer), element_stride);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto rows = context->saved_data["rows"].toTensorVector();
    const auto restored = settings(context->saved_data["key"].toInt(), context->saved_data["step"].toInt(),
                                   context->saved_data["rates"].toDoubleVector());
    const auto dx = apply_mask(gradients[0], {rows[0], rows[1], rows[2]}, restored,
                               static_cast<uint32_t>(context->saved_data["site_and_layer"].toInt()),
                               context->saved_data["element_stride"].toInt());
    return {dx, {}, {}, {}, {}, {}, {}, {}, {}};
  }

 private:
  static Dropout settings(int64_t key, int64_t step, const std::vector<double>& rates) {
    return {{static_cast<uint32_t>(key), static_cast<uint32_t>(static_cast<uint64_t>(key) >> 32)},
            static_cast<uint32_t>(step),
            rates};
  }
};

}  // namespace

at::Tensor cpu::dropout_mask(const at::Tensor& x, const MaskRows& rows, const Dropout& settings,
                             uint32_t site_and_layer, int64_t element_stride) {
  at::Tensor out = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "dropout_mask", [&] {
    apply_mask_cpu<scalar_t>(x, out, rows, settings, site_and_layer, element_stride);
  });
  return out;
}

bool Dropout::active() const {
  return std::any_of(rates.begin(), rates.end(), [](double rate) { return rate > 0; });
}

uint32_t dropout_threshold(double rate) {
  return static_cast<uint32_t>(std::min(std::llround(rate * 4294967296.0), 4294967295LL));
}

Dropout Dropout::with_models_rate(double rate) const {
  Dropout result = *this;
  std::replace(result.rates.begin(), result.rates.end(), kModelsRate, rate);
  return result;
}

at::Tensor dropout(const at::Tensor& x, const MaskRows& rows, const Dropout& settings, DropoutSite site,
                   uint32_t layer, int64_t element_stride) {
  if (!settings.active()) return x;
  RAT_CHECK(x.dim() == 2 && x.size(0) == rows.example_ids.size(0), "ERR_RAT_INTERNAL",
            "dropout: one mask row for each of the ", x.size(0), " rows is needed");
  const auto key = static_cast<int64_t>((uint64_t{settings.key.k1} << 32) | settings.key.k0);
  return CounterDropout::apply(x, rows.example_ids, rows.positions, rows.passes, key,
                               static_cast<int64_t>(settings.step), settings.rates,
                               static_cast<int64_t>(dropout_site(site, layer)),
                               element_stride > 0 ? element_stride : x.size(1));
}

}  // namespace rat
