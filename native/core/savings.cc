#include "core/savings.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include "core/check.h"

namespace rat {
namespace {

/// In the order of Saving.
constexpr std::array kNames{"packed", "cls-only",    "kept-gradients", "panels",          "vector",
                            "lanes",  "host-memory", "graphs",         "torch-attention", "late-rows"};

std::vector<std::string> words_of_variable() {
  const char* value = std::getenv("RAT_DISABLE");
  std::vector<std::string> words;
  std::istringstream text(value == nullptr ? "" : value);
  for (std::string word; std::getline(text, word, ',');)
    if (!word.empty()) words.push_back(word);
  return words;
}

std::array<bool, kNames.size()> read() {
  std::array<bool, kNames.size()> on{};
  const std::vector<std::string> off = words_of_variable();
  for (size_t i = 0; i < kNames.size(); ++i)
    on[i] = std::find(off.begin(), off.end(), kNames[i]) == off.end();
  return on;
}

}  // namespace

bool is_on(Saving saving) {
  static const auto on = read();
  return on[static_cast<size_t>(saving)];
}

std::vector<std::string> disabled_savings() {
  std::vector<std::string> words = words_of_variable();
  for (const std::string& word : words) {
    if (std::find(kNames.begin(), kNames.end(), word) != kNames.end()) continue;
    std::string names;
    for (const char* name : kNames) names += (names.empty() ? "" : ", ") + std::string(name);
    fail("ERR_RAT_CONFIG", "RAT_DISABLE has ", word, "; it takes ", names, ", with commas between them");
  }
  return words;
}

}  // namespace rat
