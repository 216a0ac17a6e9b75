// FGM (Miyato et al., "Adversarial Training Methods for Semi-Supervised Text Classification", ICLR 2017), the paper's
// "AT": R-AT with one adversarial forward, which has nothing to be consistent with.
#include "core/check.h"
#include "objective/regularizers/regularizer.h"

namespace rat {

std::unique_ptr<Regularizer> make_fgm(const RegularizerOptions& options) {
  RAT_CHECK(options.forward_dropout.size() == 1, "ERR_RAT_INVALID_ARG",
            "fgm has one adversarial forward, not ", options.forward_dropout.size());
  return make_r_at(options);
}

}  // namespace rat
