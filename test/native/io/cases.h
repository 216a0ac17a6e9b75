// What the C++ test programs share: one line a case on stdout, "ok NAME" or "FAILED NAME: why", which
// native-io.test.ts turns into tests.
#pragma once

#include <functional>
#include <iostream>
#include <string>

#include "core/check.h"

namespace rat::test {

// `why` is empty if the case holds.
inline void report(const std::string& name, const std::string& why) {
  if (why.empty()) {
    std::cout << "ok " << name << std::endl;
  } else {
    std::cout << "FAILED " << name << ": " << why << std::endl;
  }
}

// Runs `call`, which must throw rat::Error with `code` and `words` in its message. Returns what was wrong.
inline std::string expect_error(const std::string& code, const std::string& words,
                                const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    const std::string what = error.what();
    if (error.code() != code) return "threw " + error.code() + ": " + what;
    if (what.find(words) == std::string::npos) return "its message lacks \"" + words + "\": " + what;
    return "";
  }
  return "was accepted";
}

}  // namespace rat::test
