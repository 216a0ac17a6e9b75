#include "optim/optimizer.h"

#include <algorithm>
#include <map>

#include "core/check.h"

namespace rat {

std::unique_ptr<Optimizer> make_optimizer(const std::vector<Parameter>& parameters,
                                          const OptimizerOptions& options) {
  using Factory = std::unique_ptr<Optimizer> (*)(const std::vector<Parameter>&, double);
  static const std::map<std::string, Factory> factories{
      {"adamw", make_adamw}, {"bertadam", make_bertadam}, {"sgd", make_sgd}};
  const auto found = factories.find(options.type);
  RAT_CHECK(found != factories.end(), "ERR_RAT_INVALID_ARG", "Unknown optimizer '", options.type,
            "'; supported: adamw, bertadam, sgd");
  return found->second(parameters, options.weight_decay);
}

std::vector<ParameterGroup> parameter_groups(const std::vector<Parameter>& parameters, double weight_decay) {
  std::vector<ParameterGroup> groups;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const double decay = parameters[i].decays ? weight_decay : 0, scale = parameters[i].learning_rate_scale;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroup& g) {
      return g.weight_decay == decay && g.learning_rate_scale == scale;
    });
    if (group == groups.end()) group = groups.insert(group, {{}, decay, scale});
    group->indices.push_back(i);
  }
  return groups;
}

}  // namespace rat
