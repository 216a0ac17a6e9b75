// The header of a safetensors file, strictly validated. The format, from the README of
// huggingface/safetensors: eight bytes of little-endian length, then a JSON object with one member a tensor,
// "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, and at will
// "__metadata__": {"key": "value"}, then the data, which the tensors cover without hole or overlap.
//
// Everything that the reference implementation (safetensors 0.8) refuses is refused. So are, beyond it:
// duplicate keys (there the last one wins), unknown fields of a tensor, tensors and dtypes spelled as arrays
// or objects, a null `__metadata__`, a header that does not begin with `{`, numbers above 2^53, and a shape
// whose strides overflow behind a zero dimension.
// No file access and no LibTorch here, so that it can be fuzzed alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rat::io {

/// The length field in front of the header.
inline constexpr std::int64_t kSafetensorsPrefixBytes = 8;
/// The reference implementation's limit on the header's length.
inline constexpr std::int64_t kMaxSafetensorsHeaderBytes = 100'000'000;
/// The one key of the header that is not a tensor.
inline constexpr std::string_view kMetadataKey = "__metadata__";

struct TensorEntry {
  std::string name;
  /// As the file spells it: "F32", "BF16", "I64", ...
  std::string dtype;
  std::vector<std::int64_t> shape;
  /// First and one past the last byte, counted from the end of the header.
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct SafetensorsHeader {
  /// Empty when the file has none.
  std::map<std::string, std::string> metadata;
  /// In the order of their data.
  std::vector<TensorEntry> tensors;
};

/// Whether a file that begins with `start` (9 bytes, fewer if it is shorter) is a pickle or a zip archive, as
/// torch.save writes them. Loading those runs code, so that they are refused by name rather than as damaged.
/// A safetensors file may begin with the same bytes (80 02 is a header of 640 bytes) but then has its `{`.
bool looks_like_pickle(std::string_view start);

/// The header's length, from the first eight bytes of a file of
/// `file_bytes`. Throws ERR_RAT_SAFETENSORS_INVALID.
std::int64_t parse_header_length(std::string_view prefix, std::int64_t file_bytes);

/// Parses the header that is followed by exactly `data_bytes` of data.
/// Throws ERR_RAT_SAFETENSORS_INVALID, with the byte of the header or the name of the tensor in the message.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes);

}  // namespace rat::io
