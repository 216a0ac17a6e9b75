#include "addon/probes.h"

#include <algorithm>

#include "addon/errors.h"
#include "addon/options.h"
#include "core/check.h"
#include "core/device.h"
#include "core/host_memory.h"
#include "core/kernels.h"
#include "core/matmul.h"
#include "core/random.h"
#include "layers/dropout.h"
#include "layers/gelu.h"
#include "objective/losses.h"

namespace rat {
namespace {

// [sync] dropoutMask({seed, step, exampleId, site, layer, pass, probability, count}): Uint8Array
Napi::Value dropout_mask(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object_argument(info[0], "options");
    const auto word = [&](const char* name, int64_t high) {
      return static_cast<uint32_t>(integer_argument(options.Get(name), name, 0, high));
    };
    const int64_t count = integer_argument(options.Get("count"), "count", 1, int64_t{1} << 31);
    const double rate = number_argument(options.Get("probability"), "probability");
    RAT_CHECK(rate >= 0 && rate < 1, "ERR_RAT_INVALID_ARG",
              "Expected a rate from 0 to below 1 for probability");
    const auto seed =
        static_cast<uint64_t>(integer_argument(options.Get("seed"), "seed", 0, (int64_t{1} << 53) - 1));
    std::vector<uint32_t> bits(static_cast<size_t>((count + 3) / 4 * 4));
    philox_fill(bits.data(), (count + 3) / 4, word("step", 0xFFFFFFFF), word("exampleId", 0x7FFFFFFF),
                (word("site", 0xFFFF) << 16) | (word("layer", 0xFF) << 8) | word("pass", 0xFF), 0,
                stream_key(seed, Stream::kDropout));
    auto mask = Napi::Uint8Array::New(info.Env(), static_cast<size_t>(count));
    const uint32_t threshold = dropout_threshold(rate);
    for (int64_t i = 0; i < count; ++i)
      mask[static_cast<size_t>(i)] = bits[static_cast<size_t>(i)] >= threshold;
    return mask;
  });
}

std::vector<uint32_t> words(const Napi::Value& value, const char* name, size_t count) {
  RAT_CHECK(value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint32_array,
            "ERR_RAT_INVALID_ARG", "Expected a Uint32Array for ", name);
  const auto array = value.As<Napi::Uint32Array>();
  RAT_CHECK(array.ElementLength() == count, "ERR_RAT_INVALID_ARG", "Expected ", count, " words for ", name);
  return {array.Data(), array.Data() + count};
}

// [sync] philox(counter, key): Uint32Array
Napi::Value philox(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto counter = words(info[0], "counter", 4), key = words(info[1], "key", 2);
    const PhiloxBlock block =
        philox4x32_10({{counter[0], counter[1], counter[2], counter[3]}}, {key[0], key[1]});
    auto result = Napi::Uint32Array::New(info.Env(), 4);
    std::copy(block.v, block.v + 4, result.Data());
    return result;
  });
}

// [sync] gelu(x, backward): Float32Array, values or slopes
Napi::Value gelu_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    RAT_CHECK(info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_float32_array,
              "ERR_RAT_INVALID_ARG", "Expected a Float32Array for x");
    auto given = info[0].As<Napi::Float32Array>();
    const auto count = static_cast<int64_t>(given.ElementLength());
    const at::Tensor x = at::from_blob(given.Data(), {1, count}, at::kFloat).clone();
    const at::Tensor result = info[1].ToBoolean()
                                  ? std::get<0>(kernels::gelu_backward.on(at::kCPU)(at::ones_like(x), x))
                                  : rat::gelu(x);
    auto array = Napi::Float32Array::New(info.Env(), given.ElementLength());
    std::copy_n(result.const_data_ptr<float>(), count, array.Data());
    return array;
  });
}

/// A small matrix of `[rows, columns]`, or a view of its transpose.
at::Tensor matrix_argument(const Napi::Value& value, const char* name) {
  const Napi::Object options = object_argument(value, name);
  const Napi::Value values = options.Get("values");
  RAT_CHECK(values.IsTypedArray() && values.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array,
            "ERR_RAT_INVALID_ARG", "Expected a Float64Array for ", name);
  auto given = values.As<Napi::Float64Array>();
  const auto size = [&](const char* of) { return integer_argument(options.Get(of), of, 1, 1 << 16); };
  const int64_t rows = size("rows"), columns = size("columns");
  RAT_CHECK(static_cast<int64_t>(given.ElementLength()) == rows * columns, "ERR_RAT_INVALID_ARG", "Expected ",
            rows * columns, " values for ", name);
  const at::Tensor matrix = at::from_blob(given.Data(), {rows, columns}, at::kDouble);
  return options.Get("transposed").ToBoolean() ? matrix.t() : matrix;
}

// [sync] product({x, weight, bias?, sum?, precision, rounds?}): Float64Array, x times the transpose of weight
Napi::Value product_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object_argument(info[0], "options");
    const Napi::Value precision = options.Get("precision");
    const std::string name = precision.IsString() ? precision.As<Napi::String>().Utf8Value() : "";
    RAT_CHECK(name == "fp32" || name == "fp64" || name == "bf16", "ERR_RAT_INVALID_ARG",
              "Expected fp32, fp64 or bf16 for precision");
    const auto type = name == "fp32" ? at::kFloat : name == "bf16" ? at::kBFloat16 : at::kDouble;
    // A copy of other type keeps the strides.
    const auto argument = [&](const char* name) {
      return matrix_argument(options.Get(name), name).to(type, /*non_blocking=*/false, /*copy=*/true);
    };
    const at::Tensor x = argument("x"), weight = argument("weight");
    RAT_CHECK(x.size(1) == weight.size(1), "ERR_RAT_INVALID_ARG", "x and weight do not fit");
    std::optional<at::Tensor> bias;
    if (!options.Get("bias").IsUndefined()) bias = argument("bias").flatten();
    RAT_CHECK(!bias || bias->size(0) == weight.size(0), "ERR_RAT_INVALID_ARG", "bias and weight do not fit");
    // In bf16 not rounded, so that what is added up is seen.
    const bool rounds = options.Get("rounds").ToBoolean();
    const at::ScalarType wanted = type == at::kBFloat16 && !rounds ? at::kFloat : type;
    at::Tensor result;
    if (options.Get("sum").IsUndefined()) {
      result = matmul_transposed(x, weight, bias, wanted);
    } else {
      result = matrix_argument(options.Get("sum"), "sum").to(wanted, /*non_blocking=*/false, /*copy=*/true);
      RAT_CHECK(result.size(0) == x.size(0) && result.size(1) == weight.size(0), "ERR_RAT_INVALID_ARG",
                "sum does not fit");
      add_matmul_transposed(result, x, weight);
    }
    result = result.to(at::kDouble).contiguous();
    auto array = Napi::Float64Array::New(info.Env(), static_cast<size_t>(result.numel()));
    std::copy_n(result.const_data_ptr<double>(), result.numel(), array.Data());
    return array;
  });
}

// [sync] forwardLosses(options): {supervised, consistency, dlogits}. One batch, small: for tests.
Napi::Value forward_losses_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const LossesArguments arguments = losses_arguments(info[0]);
    const auto examples = static_cast<double>(arguments.logits.size(0) / arguments.forwards);
    const ForwardLosses losses = forward_losses(arguments.logits, arguments.labels, arguments.forwards,
                                                arguments.options, {examples, examples});
    Napi::Object result = Napi::Object::New(env);
    result.Set("supervised", losses.values[0].item<double>());
    result.Set("consistency", losses.values[1].item<double>());
    auto gradient = Napi::Float64Array::New(env, static_cast<size_t>(losses.dlogits.numel()));
    const at::Tensor values = losses.dlogits.contiguous();
    std::copy(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel(),
              gradient.Data());
    result.Set("dlogits", gradient);
    return result;
  });
}

// [sync] failAllocation(n): void
Napi::Value fail_allocation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    rat::fail_allocation(integer_argument(info[0], "n", 0, int64_t{1} << 31));
    return info.Env().Undefined();
  });
}

// [sync] limitDeviceMemory(device, more?): void
Napi::Value limit_memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    RAT_CHECK(info[0].IsString(), "ERR_RAT_INVALID_ARG", "Expected a string for device");
    std::optional<int64_t> more;
    if (!info[1].IsUndefined()) more = integer_argument(info[1], "more", 0, int64_t{1} << 52);
    limit_device_memory(parse_device(info[0].As<Napi::String>().Utf8Value()), more);
    return info.Env().Undefined();
  });
}

// [sync] externalMemory(): number
Napi::Value external_memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t bytes = Napi::MemoryManagement::AdjustExternalMemory(info.Env(), 0);
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  });
}

}  // namespace

void define_probes(Napi::Env env, Napi::Object exports) {
  exports.Set("dropoutMask", Napi::Function::New<dropout_mask>(env, "dropoutMask"));
  exports.Set("gelu", Napi::Function::New<gelu_of>(env, "gelu"));
  exports.Set("product", Napi::Function::New<product_of>(env, "product"));
  exports.Set("philox", Napi::Function::New<philox>(env, "philox"));
  exports.Set("forwardLosses", Napi::Function::New<forward_losses_of>(env, "forwardLosses"));
  exports.Set("failAllocation", Napi::Function::New<fail_allocation>(env, "failAllocation"));
  exports.Set("limitDeviceMemory", Napi::Function::New<limit_memory>(env, "limitDeviceMemory"));
  exports.Set("externalMemory", Napi::Function::New<external_memory>(env, "externalMemory"));
}

}  // namespace rat
