#include <map>

#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {

std::unique_ptr<Regularizer> make_regularizer(const RegularizerOptions& options) {
  using Factory = std::unique_ptr<Regularizer> (*)(const RegularizerOptions&);
  static const std::map<std::string, Factory> factories{
      {"fgm", make_fgm}, {"freelb", make_freelb}, {"none", make_none},
      {"pgd", make_pgd}, {"r-at", make_r_at},     {"r-drop", make_r_drop},
  };
  const auto found = factories.find(options.type);
  if (found != factories.end()) return found->second(options);
  std::string names;
  for (const auto& [name, factory] : factories) names += (names.empty() ? "" : ", ") + name;
  fail("ERR_RAT_INVALID_ARG", "Expected one of ", names, " for type but received '", options.type, "'");
}

}  // namespace rat
