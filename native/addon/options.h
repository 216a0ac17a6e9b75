// Plain JavaScript objects to C++ structs. Nothing else reads JavaScript options. TypeScript has validated
// them with the user's words; a wrong type here is ERR_RAT_INVALID_ARG all the same, never a crash.
#pragma once

#include <napi.h>

#include <map>
#include <string>
#include <vector>

#include "core/batch.h"
#include "objective/losses.h"
#include "trainer/trainer.h"

namespace rat {

/// NativeTrainerOptions of lib/native/binding.ts.
TrainerOptions trainer_options(const Napi::Value& value);

/// PackedBatch of lib/native/binding.ts, copied: the caller may reuse or detach its buffers.
PackedBatch packed_batch(const Napi::Value& value);

/// One of them, or an array: the micro-batches of a step.
std::vector<PackedBatch> packed_batches(const Napi::Value& value);

/// The optional part of trainStep's arguments.
void step_options(const Napi::Value& value, StepOptions& options);

/// What forwardLosses of lib/native/binding.ts takes.
struct LossesArguments {
  at::Tensor logits;  // [forwards * B, C] double
  at::Tensor labels;  // [B] int64 classes, else double: [B] scores or [B * C] label sets
  int64_t forwards = 1;
  LossOptions options;
};
LossesArguments losses_arguments(const Napi::Value& value);

StateKind state_kind(const Napi::Value& value);
std::string string_argument(const Napi::Value& value, const char* name);
double number_argument(const Napi::Value& value, const char* name);
/// A whole number from `low` to `high`.
int64_t integer_argument(const Napi::Value& value, const char* name, int64_t low, int64_t high);
Napi::Object object_argument(const Napi::Value& value, const char* name);
std::map<std::string, std::string> string_map(const Napi::Value& value, const char* name);
std::vector<int32_t> int32_array(const Napi::Value& value, const char* name);
std::vector<float> float32_array(const Napi::Value& value, const char* name);
std::vector<double> float64_array(const Napi::Value& value, const char* name);

}  // namespace rat
