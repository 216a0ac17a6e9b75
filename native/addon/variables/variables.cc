// An addon of its own, without LibTorch: sets a variable of the process's environment before LibTorch's libraries
// read it. On Node's main thread `process.env` does that; a worker's is a copy that native code never sees.
#include <napi.h>

#include <cstdlib>
#include <string>

namespace {

// [sync] variable(name): string | undefined
Napi::Value variable(const Napi::CallbackInfo& info) {  // lint: guarded() belongs to the other addon
  const char* value = std::getenv(info[0].ToString().Utf8Value().c_str());
  return value ? Napi::String::New(info.Env(), value) : info.Env().Undefined();
}

// [sync] setIfUnset(name, value): void
Napi::Value set_if_unset(const Napi::CallbackInfo& info) {  // lint: likewise
  setenv(info[0].ToString().Utf8Value().c_str(), info[1].ToString().Utf8Value().c_str(), /*overwrite=*/0);
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("variable", Napi::Function::New<variable>(env, "variable"));
  exports.Set("setIfUnset", Napi::Function::New<set_if_unset>(env, "setIfUnset"));
  return exports;
}

}  // namespace

NODE_API_MODULE(variables, initialize)
