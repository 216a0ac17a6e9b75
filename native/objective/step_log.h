// What is said of a step: the one list of names and meanings on the native side.
#pragma once

#include <array>
#include <utility>

namespace rat {

/// `Value` is a 0-dimensional double tensor on the device, or what was read of it. A regularizer leaves out
/// what it has not: an undefined tensor reads as 0.
template <typename Value>
struct StepLog {
  Value clean_loss{};             // supervised, of unperturbed forwards
  Value adversarial_loss{};       // supervised, of perturbed forwards
  Value kl_loss{};                // consistency, without its weight
  Value bregman_loss{};           // consistency with the averaged weights' prediction, likewise
  Value delta_norm{};             // L2 norm of the perturbation that was added; the mean if there are several
  Value skipped_perturbations{};  // for want of a usable gradient
  Value gradient_norm{};          // of all parameters, before clipping; filled in by the trainer

  /// Under the names of the native boundary.
  static constexpr std::array<std::pair<const char*, Value StepLog::*>, 7> fields() {
    return {{{"cleanLoss", &StepLog::clean_loss},
             {"adversarialLoss", &StepLog::adversarial_loss},
             {"klLoss", &StepLog::kl_loss},
             {"bregmanLoss", &StepLog::bregman_loss},
             {"deltaNorm", &StepLog::delta_norm},
             {"skippedPerturbations", &StepLog::skipped_perturbations},
             {"gradNorm", &StepLog::gradient_norm}}};
  }
};

}  // namespace rat
