// Reads safetensors files from standard input, each behind its length (8 bytes, little-endian), and prints a line for each:
// `refused`, or what was in it. differential.py compares that with the reference implementation's reading.
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "core/check.h"
#include "io/json.h"
#include "io/safetensors_header.h"

namespace {

using namespace rat::io;

/// FNV-1a, which takes a line in any language.
std::uint64_t hash(std::string_view bytes) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char byte : bytes) value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  return value;
}

std::string describe(std::string_view file) {
  const auto size = static_cast<std::int64_t>(file.size());
  const std::int64_t length = parse_header_length(file.substr(0, 8), size);
  const std::string_view data = file.substr(8 + static_cast<std::size_t>(length));
  SafetensorsHeader header = parse_safetensors_header(file.substr(8, static_cast<std::size_t>(length)),
                                                      static_cast<std::int64_t>(data.size()));
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::string text = "accepted";
  for (const auto& [key, value] : header.metadata) text += " " + json_quote(key) + "=" + json_quote(value);
  for (const auto& tensor : header.tensors) {
    text += " " + json_quote(tensor.name) + " " + tensor.dtype + " [";
    for (const auto extent : tensor.shape) text += std::to_string(extent) + ",";
    text += "] " + std::to_string(hash(data.substr(static_cast<std::size_t>(tensor.begin),
                                                   static_cast<std::size_t>(tensor.end - tensor.begin))));
  }
  return text;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::uint64_t length = 0;
  std::string file;
  while (std::cin.read(reinterpret_cast<char*>(&length), 8)) {
    file.resize(length);
    std::cin.read(file.data(), static_cast<std::streamsize>(length));
    try {
      std::cout << describe(file) << "\n";
    } catch (const rat::Error& error) {
      std::cout << "refused " << error.what() << "\n";
    }
  }
}
