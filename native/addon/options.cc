#include "addon/options.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace rat {
namespace {

constexpr const char* kInvalid = "ERR_RAT_INVALID_ARG";
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;
constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

std::string get_string(const Napi::Object& object, const char* name) {
  return string_argument(object.Get(name), name);
}

double get_number(const Napi::Object& object, const char* name) {
  return number_argument(object.Get(name), name);
}

int64_t get_integer(const Napi::Object& object, const char* name, int64_t low, int64_t high) {
  return integer_argument(object.Get(name), name, low, high);
}

std::vector<int64_t> get_integers(const Napi::Object& object, const char* name, int64_t low, int64_t high) {
  const Napi::Value value = object.Get(name);
  RAT_CHECK(value.IsArray(), kInvalid, "Expected an array of whole numbers for ", name);
  const auto array = value.As<Napi::Array>();
  std::vector<int64_t> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i)
    numbers.push_back(integer_argument(array.Get(i), name, low, high));
  return numbers;
}

/// Index of the string `name` among `choices`.
template <size_t N>
size_t get_choice(const Napi::Object& object, const char* name, const char* const (&choices)[N]) {
  const std::string value = get_string(object, name);
  std::string listed;
  for (size_t i = 0; i < N; ++i) {
    if (value == choices[i]) return i;
    listed += (i ? ", " : "") + std::string(choices[i]);
  }
  fail(kInvalid, "Expected one of ", listed, " for ", name, " but received '", value, "'");
}

double checked_rate(double rate, const char* name) {
  RAT_CHECK(rate >= 0 && rate < 1, kInvalid, "Expected a dropout rate from 0 up to but not including 1 for ",
            name, " but received ", rate);
  return rate;
}

/// null leaves the rate to the model.
double dropout_rate(const Napi::Value& value, const char* name) {
  return value.IsNull() ? kModelsRate : checked_rate(number_argument(value, name), name);
}

std::vector<std::string> get_strings(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  RAT_CHECK(value.IsArray(), kInvalid, "Expected an array of strings for ", name);
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < array.Length(); ++i) strings.push_back(string_argument(array.Get(i), name));
  return strings;
}

bool get_boolean(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  RAT_CHECK(value.IsBoolean(), kInvalid, "Expected a boolean for ", name);
  return value.As<Napi::Boolean>().Value();
}

EncoderOptions encoder_options(const Napi::Object& object) {
  EncoderOptions encoder;
  encoder.heads = get_integer(object, "heads", 1, 65536);
  encoder.intermediate_size = get_integer(object, "intermediateSize", 1, 1 << 20);
  encoder.max_positions = get_integer(object, "maxPositions", 1, 1 << 20);
  encoder.position_offset = get_integer(object, "positionOffset", 0, 1 << 20);
  encoder.token_types = get_integer(object, "tokenTypes", 0, 256);
  encoder.layer_norm_eps = get_number(object, "layerNormEps");
  constexpr const char* kActivations[] = {"gelu", "gelu_new", "relu"};
  encoder.activation = kActivations[get_choice(object, "activation", kActivations)];
  constexpr const char* kHeads[] = {"pooler", "dense", "dense-gelu", "pre-classifier"};
  encoder.head = kHeads[get_choice(object, "head", kHeads)];
  encoder.hidden_dropout = checked_rate(get_number(object, "hiddenDropout"), "hiddenDropout");
  encoder.attention_dropout = checked_rate(get_number(object, "attentionDropout"), "attentionDropout");
  encoder.classifier_dropout = checked_rate(get_number(object, "classifierDropout"), "classifierDropout");
  encoder.attention_output_dropout = get_boolean(object, "attentionOutputDropout");
  encoder.feed_forward_dropout = get_boolean(object, "feedForwardDropout");
  encoder.initializer_range = get_number(object, "initializerRange");
  encoder.pretrained = get_boolean(object, "pretrained");
  if (!object.Get("freshLayers").IsUndefined())
    encoder.fresh_layers = get_integer(object, "freshLayers", 0, 255);
  if (!object.Get("recomputes").IsUndefined()) encoder.recomputes = get_boolean(object, "recomputes");
  if (!object.Get("takesTorchAttention").IsUndefined())
    encoder.takes_torch_attention = get_boolean(object, "takesTorchAttention");
  RAT_CHECK(
      !(encoder.recomputes && encoder.takes_torch_attention), "ERR_RAT_CONFIG",
      "recompute makes a forward again with the same masks, which LibTorch's attention (attentionRng torch) "
      "does not have");
  encoder.layer_prefixes = get_strings(object, "layerPrefixes");
  encoder.layer_order = get_integers(object, "layerOrder", 0, 255);
  encoder.names = string_map(object.Get("names"), "names");
  return encoder;
}

ModelOptions model_options(const Napi::Object& object) {
  ModelOptions model;
  model.type = get_string(object, "type");
  model.vocabulary_size = get_integer(object, "vocabularySize", 1, kMaxInt32);
  model.outputs = get_integer(object, "outputs", 1, kMaxInt32);
  model.embedding_size = get_integer(object, "embeddingSize", 1, 65536);
  model.hidden_size = get_integer(object, "hiddenSize", 1, 65536);
  model.layers = get_integer(object, "layers", 1, 255);
  model.windows = get_integers(object, "windows", 1, 65536);
  model.padding_id = get_integer(object, "paddingId", -1, kMaxInt32);
  model.embedding_std = get_number(object, "embeddingStd");
  if (model.type == "encoder")
    model.encoder = encoder_options(object_argument(object.Get("encoder"), "encoder"));
  return model;
}

KlReduction kl_reduction(const Napi::Object& object) {
  return static_cast<KlReduction>(get_choice(object, "klReduction", {"batch-mean", "sum", "element-mean"}));
}

LossOptions loss_options(const Napi::Object& object) {
  LossOptions loss;
  loss.kl_weight = get_number(object, "klWeight");
  loss.kl_reduction = kl_reduction(object);
  if (!object.Get("consistency").IsUndefined())
    loss.consistency = static_cast<Consistency>(get_choice(object, "consistency", kConsistencyNames));
  if (!object.Get("temperature").IsUndefined()) {
    loss.temperature = get_number(object, "temperature");
    RAT_CHECK(std::isfinite(loss.temperature) && loss.temperature > 0, kInvalid,
              "Expected a finite number above 0 for temperature but received ", loss.temperature);
  }
  if (!object.Get("labelSmoothing").IsUndefined()) {
    loss.label_smoothing = get_number(object, "labelSmoothing");
    RAT_CHECK(loss.label_smoothing >= 0 && loss.label_smoothing < 1, kInvalid,
              "Expected a number from 0 up to but not including 1 for labelSmoothing but received ",
              loss.label_smoothing);
  }
  return loss;
}

void check_outputs(Target target, int64_t outputs) {
  RAT_CHECK(target != Target::kScore || outputs == 1, kInvalid, "A regression has 1 output, not ", outputs);
}

RegularizerOptions regularizer_options(const Napi::Object& object) {
  RegularizerOptions regularizer;
  regularizer.type = get_string(object, "type");
  const int64_t forwards = get_integer(object, "forwards", 1, kMaxForwards);
  regularizer.clean_dropout = dropout_rate(object.Get("cleanDropout"), "cleanDropout");
  // A list has one entry for all forwards, or one for each.
  const auto for_each_forward = [&](const char* name, auto read) {
    const Napi::Value value = object.Get(name);
    RAT_CHECK(value.IsArray(), kInvalid, "Expected an array for ", name);
    const auto array = value.As<Napi::Array>();
    std::vector<double> numbers;
    for (uint32_t i = 0; i < array.Length(); ++i) numbers.push_back(read(array.Get(i), name));
    if (numbers.size() == 1) numbers.assign(static_cast<size_t>(forwards), numbers[0]);
    RAT_CHECK(static_cast<int64_t>(numbers.size()) == forwards, kInvalid, "Expected 1 or ", forwards,
              " numbers for ", name, " but received ", numbers.size());
    return numbers;
  };
  regularizer.epsilon = for_each_forward("epsilon", number_argument);
  regularizer.forward_dropout = for_each_forward("forwardDropout", dropout_rate);
  for (const double epsilon : regularizer.epsilon)
    RAT_CHECK(std::isfinite(epsilon) && epsilon >= 0, kInvalid,
              "Expected a finite number of at least 0 for epsilon");
  if (!object.Get("scope").IsUndefined())
    regularizer.scope = static_cast<Scope>(get_choice(object, "scope", {"matrix", "example"}));
  if (!object.Get("ascentSteps").IsUndefined())
    regularizer.ascent_steps = get_integer(object, "ascentSteps", 1, 16);
  if (!object.Get("stepSize").IsUndefined()) regularizer.step_size = get_number(object, "stepSize");
  if (!object.Get("ascentInit").IsUndefined())
    regularizer.starts_at_zero = get_choice(object, "ascentInit", {"zero", "uniform"}) == 0;
  if (!object.Get("sameMasks").IsUndefined()) regularizer.same_masks = get_boolean(object, "sameMasks");
  if (!object.Get("noise").IsUndefined())
    regularizer.noise = static_cast<Noise>(get_choice(object, "noise", {"uniform", "normal"}));
  if (!object.Get("bregmanWeight").IsUndefined())
    regularizer.bregman_weight = get_number(object, "bregmanWeight");
  RAT_CHECK(std::isfinite(regularizer.bregman_weight) && regularizer.bregman_weight >= 0, kInvalid,
            "Expected a finite number of at least 0 for bregmanWeight");
  if (!object.Get("bregmanDecay").IsUndefined())
    regularizer.bregman_decay = get_number(object, "bregmanDecay");
  RAT_CHECK(regularizer.bregman_decay >= 0 && regularizer.bregman_decay < 1, kInvalid,
            "Expected a number of at least 0 and below 1 for bregmanDecay");
  if (!object.Get("sparedTokens").IsUndefined())
    regularizer.spared_tokens = int32_array(object.Get("sparedTokens"), "sparedTokens");
  RAT_CHECK(std::isfinite(regularizer.step_size) && regularizer.step_size >= 0, kInvalid,
            "Expected a finite number of at least 0 for stepSize");
  make_regularizer(regularizer);  // what it does not take is said here, in the caller's stack
  return regularizer;
}

OptimizerOptions optimizer_options(const Napi::Object& object) {
  OptimizerOptions optimizer{get_string(object, "type"), get_number(object, "weightDecay"),
                             get_number(object, "clipNorm")};
  if (!object.Get("layerDecay").IsUndefined()) optimizer.layer_decay = get_number(object, "layerDecay");
  RAT_CHECK(optimizer.layer_decay > 0 && optimizer.layer_decay <= 1, kInvalid,
            "Expected a number above 0 up to 1 for layerDecay but received ", optimizer.layer_decay);
  if (!object.Get("frozenDepths").IsUndefined())
    optimizer.frozen = get_integer(object, "frozenDepths", 0, 256);
  return optimizer;
}

/// Elements of a typed array of exactly this element type.
template <typename Element>
std::vector<Element> elements(const Napi::Value& value, const char* name, napi_typedarray_type type,
                              const char* type_name) {
  RAT_CHECK(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type, kInvalid,
            "Expected ", type_name, " for ", name);
  const auto array = value.As<Napi::TypedArrayOf<Element>>();
  const size_t length = array.ElementLength();
  if (length == 0) return {};
  const Element* data = array.Data();
  RAT_CHECK(data != nullptr, kInvalid, "The buffer of ", name, " is detached");
  return {data, data + length};
}

}  // namespace

std::string string_argument(const Napi::Value& value, const char* name) {
  RAT_CHECK(value.IsString(), kInvalid, "Expected a string for ", name);
  return value.As<Napi::String>().Utf8Value();
}

double number_argument(const Napi::Value& value, const char* name) {
  RAT_CHECK(value.IsNumber(), kInvalid, "Expected a number for ", name);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_argument(const Napi::Value& value, const char* name, int64_t low, int64_t high) {
  const double number = number_argument(value, name);
  RAT_CHECK(number >= static_cast<double>(low) && number <= static_cast<double>(high) &&
                std::floor(number) == number,
            kInvalid, "Expected a whole number from ", low, " to ", high, " for ", name, " but received ",
            number);
  return static_cast<int64_t>(number);
}

Napi::Object object_argument(const Napi::Value& value, const char* name) {
  RAT_CHECK(value.IsObject(), kInvalid, "Expected an object for ", name);
  return value.As<Napi::Object>();
}

std::map<std::string, std::string> string_map(const Napi::Value& value, const char* name) {
  const Napi::Object object = object_argument(value, name);
  const Napi::Array keys = object.GetPropertyNames();
  std::map<std::string, std::string> map;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    map[key] = string_argument(object.Get(key), name);
  }
  return map;
}

std::vector<int32_t> int32_array(const Napi::Value& value, const char* name) {
  return elements<int32_t>(value, name, napi_int32_array, "an Int32Array");
}

std::vector<float> float32_array(const Napi::Value& value, const char* name) {
  return elements<float>(value, name, napi_float32_array, "a Float32Array");
}

std::vector<double> float64_array(const Napi::Value& value, const char* name) {
  return elements<double>(value, name, napi_float64_array, "a Float64Array");
}

TrainerOptions trainer_options(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "options");
  TrainerOptions options;
  options.model = model_options(object_argument(object.Get("model"), "model"));
  options.trains = !object.Get("regularizer").IsUndefined();
  if (options.trains) {
    const Napi::Object regularizer = object_argument(object.Get("regularizer"), "regularizer");
    options.regularizer = regularizer_options(regularizer);
    options.loss = loss_options(regularizer);
    options.optimizer = optimizer_options(object_argument(object.Get("optimizer"), "optimizer"));
  }
  options.loss.target = static_cast<Target>(get_choice(object, "kind", kTargetNames));
  check_outputs(options.loss.target, options.model.outputs);
  const auto& forward_rates = options.regularizer.forward_dropout;
  RAT_CHECK(options.model.type == "encoder" ||
                (options.regularizer.clean_dropout != kModelsRate &&
                 std::find(forward_rates.begin(), forward_rates.end(), kModelsRate) == forward_rates.end()),
            kInvalid, "A ", options.model.type, " has no dropout rates of its own");
  options.seed = static_cast<uint64_t>(get_integer(object, "seed", 0, kMaxSafeInteger));
  options.device = get_string(object, "device");
  const size_t precision = get_choice(object, "precision", {"fp32", "fp64", "bf16", "tf32"});
  options.precision = precision == 1 ? at::kDouble : at::kFloat;
  options.model.compute = precision == 2 ? at::kBFloat16 : options.precision;
  options.tf32 = precision == 3;
  RAT_CHECK(precision != 2 || options.model.type == "encoder", kInvalid,
            "bf16 is for encoders; use fp32 for ", options.model.type);
  options.threads = static_cast<int>(get_integer(object, "threads", 1, 1024));
  options.profile = !object.Get("profile").IsUndefined() && get_boolean(object, "profile");
  if (!object.Get("replicas").IsUndefined()) options.replicas = get_integer(object, "replicas", 1, 1024);
  return options;
}

PackedBatch packed_batch(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "batch");
  PackedBatch batch;
  batch.tokens = int32_array(object.Get("tokens"), "tokens");
  batch.sequence_starts = int32_array(object.Get("sequenceStarts"), "sequenceStarts");
  batch.example_ids = int32_array(object.Get("exampleIds"), "exampleIds");
  const Napi::Value types = object.Get("tokenTypes");
  if (!types.IsUndefined())
    batch.token_types = elements<uint8_t>(types, "tokenTypes", napi_uint8_array, "a Uint8Array");
  const Napi::Value labels = object.Get("labels");
  if (labels.IsUndefined()) return batch;
  if (labels.IsTypedArray() && labels.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array)
    batch.label_values = float32_array(labels, "labels");
  else
    batch.class_labels = int32_array(labels, "labels");
  return batch;
}

std::vector<PackedBatch> packed_batches(const Napi::Value& value) {
  if (!value.IsArray()) return {packed_batch(value)};
  const auto array = value.As<Napi::Array>();
  std::vector<PackedBatch> batches;
  for (uint32_t i = 0; i < array.Length(); ++i) batches.push_back(packed_batch(array.Get(i)));
  return batches;
}

void step_options(const Napi::Value& value, StepOptions& options) {
  const Napi::Object object = object_argument(value, "options");
  if (!object.Get("read").IsUndefined()) options.read = get_boolean(object, "read");
  if (!object.Get("examples").IsUndefined())
    options.examples = get_integer(object, "examples", 1, kMaxSafeInteger);
  if (!object.Get("labelWeight").IsUndefined()) options.label_weight = get_number(object, "labelWeight");
}

LossesArguments losses_arguments(const Napi::Value& value) {
  const Napi::Object object = object_argument(value, "options");
  LossesArguments arguments;
  arguments.forwards = get_integer(object, "forwards", 1, kMaxForwards);
  arguments.options = loss_options(object);
  const Napi::Value labels = object.Get("labels");
  RAT_CHECK(labels.IsTypedArray(), kInvalid, "Expected an Int32Array or Float32Array for labels");
  const bool are_classes = labels.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array;
  arguments.options.target = are_classes ? Target::kClass : Target::kScore;
  if (!object.Get("kind").IsUndefined())
    arguments.options.target = static_cast<Target>(get_choice(object, "kind", kTargetNames));
  const auto logits = float64_array(object.Get("logits"), "logits");
  auto rows = arguments.forwards * static_cast<int64_t>(labels.As<Napi::TypedArray>().ElementLength());
  if (arguments.options.target == Target::kLabelSet) rows /= get_integer(object, "outputs", 1, kMaxInt32);
  RAT_CHECK(rows > 0 && !logits.empty() && static_cast<int64_t>(logits.size()) % rows == 0, kInvalid,
            "Expected forwards x labels x classes values for logits but received ", logits.size());
  const auto classes = static_cast<int64_t>(logits.size()) / rows;
  check_outputs(arguments.options.target, classes);
  arguments.logits = at::tensor(logits, at::kDouble).view({rows, classes});
  if (!are_classes) {
    arguments.labels = at::tensor(float32_array(labels, "labels"), at::kFloat).to(at::kDouble);
    return arguments;
  }
  const auto indices = int32_array(labels, "labels");
  for (const int32_t index : indices)
    RAT_CHECK(index >= 0 && index < classes, "ERR_RAT_LABEL", "Class index ", index, " is outside 0..",
              classes - 1);
  arguments.labels = at::tensor(indices, at::kInt).to(at::kLong);
  return arguments;
}

StateKind state_kind(const Napi::Value& value) {
  const std::string kind = string_argument(value, "what");
  if (kind == "model") return StateKind::kModel;
  if (kind == "best") return StateKind::kBest;
  if (kind == "optimizer") return StateKind::kOptimizer;
  fail(kInvalid, "Expected model, best or optimizer for what but received '", kind, "'");
}

}  // namespace rat
