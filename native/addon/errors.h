// C++ exceptions to JavaScript errors, in one place. A LibTorch exception that left a Node-API callback would
// abort the process, so every entry point of the addon goes through guarded() or guarded_promise().
#pragma once

#include <napi.h>

#include <exception>
#include <string>
#include <utility>

namespace rat {

/// What a failure becomes on the JavaScript side: an Error with `code`, and `native` (LibTorch's text
/// with its backtrace).
struct Failure {
  std::string code;
  std::string message;
  std::string native;
};

/// Call in a catch block. The only `catch (...)` of the addon is behind it.
Failure current_failure();

Napi::Error to_js_error(Napi::Env env, const Failure& failure);

/// Runs the body of a synchronous entry point. `Napi::Error` passes through; everything else becomes
/// a coded error.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, current_failure());
  }
}

/// Runs the body of an entry point that returns a promise: a failure rejects instead of throwing.
template <typename Body>
Napi::Value guarded_promise(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error& error) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error.Value());
    return deferred.Promise();
  } catch (...) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(to_js_error(env, current_failure()).Value());
    return deferred.Promise();
  }
}

}  // namespace rat
