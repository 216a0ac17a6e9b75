#include "core/step_scalars.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace rat {

uint32_t dropout_threshold(double rate) {
  return static_cast<uint32_t>(std::min(std::llround(rate * 4294967296.0), 4294967295LL));
}

void StepScalars::set_dropout(const std::vector<ForwardLayout>& forwards, const DropoutRates& models) {
  for (const ForwardLayout& forward : forwards)
    for (size_t copy = 0; copy < forward.rates.size(); ++copy) {
      const size_t pass = static_cast<size_t>(forward.first_pass) + copy;
      RAT_CHECK(pass < kMaxPasses, "ERR_RAT_INVALID_ARG", "A step has at most ", kMaxPasses,
                " dropout passes");
      for (size_t kind = 0; kind < kDropoutKinds; ++kind) {
        const double rate = forward.rates[copy] == kModelsRate ? models[kind] : forward.rates[copy];
        dropout_threshold[kind][pass] = rat::dropout_threshold(rate);
        dropout_scale[kind][pass] = 1.0 / (1.0 - rate);
      }
    }
}

}  // namespace rat
