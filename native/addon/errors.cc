#include "addon/errors.h"

#include <c10/util/Exception.h>

#include <new>

#include "core/check.h"

namespace rat {
namespace {

Failure from_torch(const char* code, const c10::Error& error) {
  return {code, error.what_without_backtrace(), error.what()};
}

}  // namespace

Failure current_failure() {
  // From the most to the least derived class: each of these is also a c10::Error.
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what(), ""};
  } catch (const c10::OutOfMemoryError& error) {
    return from_torch("ERR_RAT_DEVICE_OOM", error);
  } catch (const std::bad_alloc&) {
    return {"ERR_RAT_HOST_OOM", "Out of memory", ""};
  } catch (const c10::NotImplementedError& error) {
    return from_torch("ERR_RAT_TORCH", error);
  } catch (const c10::IndexError& error) {
    return from_torch("ERR_RAT_INVALID_ARG", error);
  } catch (const c10::Error& error) {
    const bool host_memory =
        std::string(error.what_without_backtrace()).find("DefaultCPUAllocator") != std::string::npos;
    return from_torch(host_memory ? "ERR_RAT_HOST_OOM" : "ERR_RAT_TORCH", error);
  } catch (const std::exception& error) {
    return {"ERR_RAT_INTERNAL", error.what(), ""};
  } catch (...) {
    return {"ERR_RAT_INTERNAL", "An exception of unknown type", ""};
  }
}

Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  if (!failure.native.empty()) error.Set("native", Napi::String::New(env, failure.native));
  return error;
}

}  // namespace rat
