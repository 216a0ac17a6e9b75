// A whole safetensors file, as the library reads it. What is accepted must be what the format promises, and must be read
// the same when it is written again.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "core/check.h"
#include "io/json.h"
#include "io/safetensors_header.h"

namespace {

using namespace rat::io;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string number(std::int64_t value) { return std::to_string(value); }

std::string serialized(const SafetensorsHeader& header) {
  std::string text = "{";
  const auto separate = [&] { text += text.size() > 1 ? "," : ""; };
  if (!header.metadata.empty()) {
    text += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : header.metadata) {
      text += (first ? "" : ",") + json_quote(key) + ":" + json_quote(value);
      first = false;
    }
    text += "}";
  }
  for (const auto& tensor : header.tensors) {
    separate();
    text += json_quote(tensor.name) + ":{\"dtype\":" + json_quote(tensor.dtype) + ",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) text += (i ? "," : "") + number(tensor.shape[i]);
    text += "],\"data_offsets\":[" + number(tensor.begin) + "," + number(tensor.end) + "]}";
  }
  return text + "}";
}

bool same(const SafetensorsHeader& one, const SafetensorsHeader& other) {
  if (one.metadata != other.metadata || one.tensors.size() != other.tensors.size()) return false;
  for (std::size_t i = 0; i < one.tensors.size(); ++i) {
    const auto &a = one.tensors[i], &b = other.tensors[i];
    if (a.dtype != b.dtype || a.begin != b.begin || a.end != b.end) return false;
    // Tensors without bytes may change places.
    if (a.begin != a.end && (a.name != b.name || a.shape != b.shape)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  looks_like_pickle(file.substr(0, 9));
  SafetensorsHeader header;
  std::int64_t length = 0, data_bytes = 0;
  try {
    length = parse_header_length(file.substr(0, 8), static_cast<std::int64_t>(size));
    data_bytes = static_cast<std::int64_t>(size) - kSafetensorsPrefixBytes - length;
    require(data_bytes >= 0);
    header = parse_safetensors_header(file.substr(8, static_cast<std::size_t>(length)), data_bytes);
  } catch (const rat::Error& error) {
    require(error.code() == "ERR_RAT_SAFETENSORS_INVALID" && std::strlen(error.what()) < 1000);
    return 0;
  }
  // The tensors cover the data without hole or overlap, and each has the bytes that its shape asks for.
  std::int64_t end = 0;
  for (const auto& tensor : header.tensors) {
    require(tensor.begin == end && tensor.end >= tensor.begin);
    end = tensor.end;
    __int128 elements = 1;
    for (const auto extent : tensor.shape) {
      require(extent >= 0);
      elements *= extent;
    }
    if (tensor.dtype == "F32") require(elements * 4 == tensor.end - tensor.begin);
    if (tensor.dtype == "F64" || tensor.dtype == "I64") require(elements * 8 == tensor.end - tensor.begin);
    if (tensor.dtype == "F16" || tensor.dtype == "BF16") require(elements * 2 == tensor.end - tensor.begin);
    require(!first_invalid_utf8(tensor.name));
  }
  require(end == data_bytes);
  require(same(header, parse_safetensors_header(serialized(header), data_bytes)));
  return 0;
}
