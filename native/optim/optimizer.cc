#include "optim/optimizer.h"

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

void clip_gradients(std::vector<at::Tensor>& gradients, double norm, double clip_norm) {
  if (clip_norm <= 0 || norm + 1e-6 <= clip_norm) return;
  at::_foreach_mul_(gradients, clip_norm / (norm + 1e-6));
}

}  // namespace rat
