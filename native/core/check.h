// The error that native code throws, and the check that throws it. Every code is one of lib/errors.ts.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace rat {

/// A failure with a code of the public API; the addon turns it into a JavaScript error with the same code.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

template <typename... Pieces>
[[noreturn]] void fail(const char* code, const Pieces&... pieces) {
  std::ostringstream message;
  (message << ... << pieces);
  throw Error(code, message.str());
}

}  // namespace rat

/// Throws rat::Error with `code` and the streamed pieces unless `condition` holds.
#define RAT_CHECK(condition, code, ...)               \
  do {                                                \
    if (!(condition)) ::rat::fail(code, __VA_ARGS__); \
  } while (false)
