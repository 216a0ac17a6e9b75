#include <map>

#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {

Perturbation start_of(const RegularizerOptions& options, const Step& step) {
  const at::Tensor& matrix = step.word_embedding();
  if (options.starts_at_zero)
    return zero_perturbation(options.scope, step.batches(), matrix.options(), matrix.size(1));
  return random_start(options.scope, Noise::kUniform, options.epsilon[0], step.batches(), matrix.options(),
                      matrix.size(1));
}

std::unique_ptr<Regularizer> make_regularizer(const RegularizerOptions& options) {
  using Factory = std::unique_ptr<Regularizer> (*)(const RegularizerOptions&);
  static const std::map<std::string, Factory> factories{
      {"fgm", make_fgm},   {"freelb", make_freelb}, {"none", make_none}, {"pgd", make_pgd},
      {"r-at", make_r_at}, {"r-drop", make_r_drop}, {"r3f", make_r3f},   {"smart", make_smart},
  };
  const auto found = factories.find(options.type);
  if (found != factories.end()) return found->second(options);
  std::string names;
  for (const auto& [name, factory] : factories) names += (names.empty() ? "" : ", ") + name;
  fail("ERR_RAT_INVALID_ARG", "Expected one of ", names, " for type but received '", options.type, "'");
}

}  // namespace rat
