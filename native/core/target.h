// What a model's outputs are for, and so what the label of an example is.
#pragma once

namespace rat {

enum class Target {
  kClass,     // one class of several: its index
  kScore,     // one output: a number
  kLabelSet,  // labels that do not exclude each other: for each output 1 or 0
};

/// At the native boundary, in this order.
inline constexpr const char* kTargetNames[] = {"classification", "regression", "multilabel"};

}  // namespace rat
