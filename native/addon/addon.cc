// The addon's table of contents: what it exports (NativeBinding of lib/native/binding.ts), and nothing else.
// Next in the hot path: native/trainer/trainer.cc.
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "addon/environment.h"
#include "addon/options.h"
#include "addon/probes.h"
#include "addon/trainer_wrap.h"
#include "core/check.h"
#include "core/device.h"
#include "core/host_memory.h"
#include "core/random.h"
#include "core/savings.h"
#include "io/safetensors.h"

namespace rat {
namespace {

// [sync] buildInfo(): NativeBuildInfo
Napi::Value build_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Napi::Object result = Napi::Object::New(env);
    result.Set("libtorchVersion", RAT_LIBTORCH_VERSION);
    result.Set("build", RAT_BUILD);
    Napi::Array devices = Napi::Array::New(env);
    result.Set("cudaBuild", has_cuda());
    result.Set("simulated", is_simulated());
    for (const DeviceInfo& device : cuda_devices()) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("name", device.name);
      entry.Set("memoryBytes", static_cast<double>(device.memory_bytes));
      entry.Set("capability", device.capability);
      devices.Set(devices.Length(), entry);
    }
    result.Set("cudaDevices", devices);
    result.Set("cpuCapability", at::get_cpu_capability());
    Napi::Array disabled = Napi::Array::New(env);
    for (const std::string& name : disabled_savings()) disabled.Set(disabled.Length(), name);
    result.Set("disabledSavings", disabled);
    result.Set("hardwareThreads", std::max(1u, std::thread::hardware_concurrency()));
    return result;
  });
}

// [sync] permutation(seed, epoch, n): Int32Array
Napi::Value permutation_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto seed = static_cast<uint64_t>(integer_argument(info[0], "seed", 0, (int64_t{1} << 53) - 1));
    const auto epoch = static_cast<uint32_t>(integer_argument(info[1], "epoch", 0, 0xFFFFFFFF));
    const auto n = static_cast<int32_t>(integer_argument(info[2], "n", 0, 0x7FFFFFFF));
    const std::vector<int32_t> order = permutation(seed, epoch, n);
    auto array = Napi::Int32Array::New(info.Env(), order.size());
    std::copy(order.begin(), order.end(), array.Data());
    return array;
  });
}

// [sync] inspectSafetensors(path): {metadata, tensors}. Reads the header alone.
Napi::Value inspect_safetensors(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const io::SafetensorsFile file(string_argument(info[0], "path"));
    Napi::Object metadata = Napi::Object::New(env);
    for (const auto& [key, value] : file.metadata()) metadata.Set(key, value);
    Napi::Array tensors = Napi::Array::New(env);
    for (const auto& entry : file.entries()) {
      Napi::Object tensor = Napi::Object::New(env);
      Napi::Array shape = Napi::Array::New(env);
      for (const auto size : entry.shape) shape.Set(shape.Length(), static_cast<double>(size));
      tensor.Set("name", entry.name);
      tensor.Set("dtype", entry.dtype);
      tensor.Set("shape", shape);
      tensors.Set(tensors.Length(), tensor);
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("metadata", metadata);
    result.Set("tensors", tensors);
    return result;
  });
}

// [sync] liveTrainers(): number
Napi::Value live_trainers(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const LiveThreads& live = *environment(info.Env()).live;
    return Napi::Number::New(
        info.Env(), static_cast<double>(std::count_if(live.begin(), live.end(),
                                                      [](auto* thread) { return !thread->is_disposing(); })));
  });
}

// [sync] shutdown(timeoutMs): boolean
Napi::Value shutdown(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto timeout = std::chrono::milliseconds(integer_argument(info[0], "timeoutMs", 0, 3'600'000));
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    bool all_ended = true;
    for (TrainerThread* thread : *environment(info.Env()).live) thread->cancel();
    for (TrainerThread* thread : *environment(info.Env()).live) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      all_ended &= thread->stop(std::max(left, std::chrono::milliseconds(0)));
    }
    return Napi::Boolean::New(info.Env(), all_ended);
  });
}

// [sync] exitNow(code): never
Napi::Value exit_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    ::_exit(static_cast<int>(integer_argument(info[0], "code", 0, 255)));
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  if (is_on(Saving::kHostMemory)) install_host_memory();
  auto data = std::make_unique<Environment>();
  const Napi::Function trainer = TrainerWrap::define(env);
  env.SetInstanceData(data.release());  // lint: the environment owns it from here on
  exports.Set("Trainer", trainer);
  exports.Set("buildInfo", Napi::Function::New<build_info>(env, "buildInfo"));
  exports.Set("permutation", Napi::Function::New<permutation_of>(env, "permutation"));
  exports.Set("inspectSafetensors", Napi::Function::New<inspect_safetensors>(env, "inspectSafetensors"));
  exports.Set("liveTrainers", Napi::Function::New<live_trainers>(env, "liveTrainers"));
  exports.Set("shutdown", Napi::Function::New<shutdown>(env, "shutdown"));
  exports.Set("exitNow", Napi::Function::New<exit_now>(env, "exitNow"));
  define_probes(env, exports);
  return exports;
}

}  // namespace
}  // namespace rat

static Napi::Object initialize(Napi::Env env, Napi::Object exports) { return rat::initialize(env, exports); }

NODE_API_MODULE(rat, initialize)
