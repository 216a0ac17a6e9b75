#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include "core/check.h"
#include "io/json.h"

namespace rat::io {
namespace {

constexpr const char* kInvalid = "ERR_RAT_SAFETENSORS_INVALID";

struct DtypeWidth {
  std::string_view name;
  std::int64_t bits;
};

// Every dtype of the format, whether or not we can read its values.
constexpr std::array kDtypes = {
    DtypeWidth{"BOOL", 8},        DtypeWidth{"F4", 4},          DtypeWidth{"F6_E2M3", 6},
    DtypeWidth{"F6_E3M2", 6},     DtypeWidth{"U8", 8},          DtypeWidth{"I8", 8},
    DtypeWidth{"F8_E5M2", 8},     DtypeWidth{"F8_E4M3", 8},     DtypeWidth{"F8_E8M0", 8},
    DtypeWidth{"F8_E4M3FNUZ", 8}, DtypeWidth{"F8_E5M2FNUZ", 8}, DtypeWidth{"I16", 16},
    DtypeWidth{"U16", 16},        DtypeWidth{"F16", 16},        DtypeWidth{"BF16", 16},
    DtypeWidth{"I32", 32},        DtypeWidth{"U32", 32},        DtypeWidth{"F32", 32},
    DtypeWidth{"C64", 64},        DtypeWidth{"F64", 64},        DtypeWidth{"I64", 64},
    DtypeWidth{"U64", 64},
};

const DtypeWidth* find_dtype(std::string_view name) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& d) { return d.name == name; });
  return found == kDtypes.end() ? nullptr : &*found;
}

// Calls `parse_member(key)` for each member of the object that comes next; refuses a key that comes twice.
template <typename ParseMember>
void parse_object(JsonReader& json, const std::string& what, const ParseMember& parse_member) {
  // Ordered: no choice of names makes the look-up slow.
  std::set<std::string> seen;
  json.expect('{', what + " as an object");
  if (json.accept('}')) return;
  do {
    std::string key = json.string("a key");
    json.expect(':', "a colon after the key");
    const auto [position, is_new] = seen.insert(std::move(key));
    if (!is_new) json.fail("the key " + quote_for_message(*position) + " occurs twice");
    parse_member(*position);
  } while (json.accept(','));
  json.expect('}', "a comma or the end of the object");
}

std::vector<std::int64_t> parse_integers(JsonReader& json, const std::string& what) {
  std::vector<std::int64_t> values;
  json.expect('[', what + " as an array");
  if (json.accept(']')) return values;
  do {
    values.push_back(json.integer(what));
  } while (json.accept(','));
  json.expect(']', "a comma or the end of the array");
  return values;
}

TensorEntry parse_tensor(JsonReader& json, const std::string& name) {
  TensorEntry entry;
  entry.name = name;
  bool has_dtype = false;
  bool has_shape = false;
  bool has_offsets = false;
  parse_object(json, "a tensor's description", [&](const std::string& field) {
    if (field == "dtype") {
      has_dtype = true;
      entry.dtype = json.string("dtype");
      if (find_dtype(entry.dtype) == nullptr) json.fail("unknown dtype " + quote_for_message(entry.dtype));
    } else if (field == "shape") {
      has_shape = true;
      entry.shape = parse_integers(json, "shape");
    } else if (field == "data_offsets") {
      has_offsets = true;
      const auto offsets = parse_integers(json, "data_offsets");
      if (offsets.size() != 2) json.fail("data_offsets must be two numbers");
      entry.begin = offsets[0];
      entry.end = offsets[1];
    } else {
      json.fail("unknown field " + quote_for_message(field));
    }
  });
  if (!has_dtype || !has_shape || !has_offsets) {
    const char* missing = !has_dtype ? "dtype" : (!has_shape ? "shape" : "data_offsets");
    json.fail("tensor " + quote_for_message(name) + " lacks " + missing);
  }
  return entry;
}

// Bytes that dtype and shape ask for.
std::int64_t tensor_bytes(const TensorEntry& entry) {
  // LibTorch computes the strides of an empty tensor as if its zero dimensions were one: that must
  // not overflow either.
  std::int64_t elements = 1;
  bool is_empty = false;
  for (const std::int64_t size : entry.shape) {
    is_empty = is_empty || size == 0;
    RAT_CHECK(!__builtin_mul_overflow(elements, std::max<std::int64_t>(size, 1), &elements), kInvalid,
              "tensor ", quote_for_message(entry.name), ": the product of its shape overflows");
  }
  std::int64_t bits = 0;
  RAT_CHECK(!__builtin_mul_overflow(is_empty ? 0 : elements, find_dtype(entry.dtype)->bits, &bits), kInvalid,
            "tensor ", quote_for_message(entry.name), ": its size in bits overflows");
  RAT_CHECK(bits % 8 == 0, kInvalid, "tensor ", quote_for_message(entry.name),
            ": its size is not a whole number of bytes");
  return bits / 8;
}

// Sorts the tensors by their data and checks that they cover it exactly: no hole, overlap or rest.
void check_layout(std::vector<TensorEntry>& tensors, std::int64_t data_bytes) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::int64_t covered = 0;
  for (const TensorEntry& entry : tensors) {
    const std::string name = quote_for_message(entry.name);
    RAT_CHECK(entry.begin <= entry.end, kInvalid, "tensor ", name, ": data_offsets [", entry.begin, ", ",
              entry.end, "] are reversed");
    RAT_CHECK(
        entry.begin == covered, kInvalid, "tensor ", name, ": its data begins at ", entry.begin,
        entry.begin < covered ? " and overlaps what ends at " : " and leaves a hole after what ends at ",
        covered);
    const std::int64_t expected = tensor_bytes(entry);
    RAT_CHECK(entry.end - entry.begin == expected, kInvalid, "tensor ", name, ": dtype ", entry.dtype,
              " and shape need ", expected, " bytes but data_offsets give ", entry.end - entry.begin);
    covered = entry.end;
  }
  RAT_CHECK(covered == data_bytes, kInvalid, "the tensors cover ", covered,
            " bytes but the header is followed by ", data_bytes,
            covered > data_bytes ? ": the file is cut short" : ": the file has bytes that belong to nothing");
}

}  // namespace

bool looks_like_pickle(std::string_view start) {
  const bool is_zip = start.substr(0, 2) == "PK";
  const bool is_pickle = start.size() >= 2 && start[0] == '\x80' && static_cast<unsigned char>(start[1]) <= 5;
  if (!is_zip && !is_pickle) return false;
  const bool could_be_header = std::ssize(start) > kSafetensorsPrefixBytes &&
                               start[kSafetensorsPrefixBytes] == '{' &&
                               start.substr(4, 4) == std::string_view("\0\0\0\0", 4);
  return !could_be_header;
}

std::int64_t parse_header_length(std::string_view prefix, std::int64_t file_bytes) {
  RAT_CHECK(file_bytes >= kSafetensorsPrefixBytes && std::ssize(prefix) >= kSafetensorsPrefixBytes, kInvalid,
            "the file has ", file_bytes, " bytes, fewer than the 8 of the header's length");
  std::uint64_t length = 0;
  for (std::size_t i = kSafetensorsPrefixBytes; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(prefix[i]);
  }
  RAT_CHECK(length <= std::uint64_t{kMaxSafetensorsHeaderBytes}, kInvalid, "the header's length is given as ",
            length, ", above the limit of ", kMaxSafetensorsHeaderBytes);
  const std::int64_t rest = file_bytes - kSafetensorsPrefixBytes;
  RAT_CHECK(static_cast<std::int64_t>(length) <= rest, kInvalid, "the header's length is given as ", length,
            " but only ", rest, " bytes follow: the file is cut short");
  RAT_CHECK(length >= 2, kInvalid, "the header's length is given as ", length, ", too short for {}");
  return static_cast<std::int64_t>(length);
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::int64_t data_bytes) {
  RAT_CHECK(!text.empty() && text.front() == '{', kInvalid,
            "header byte 0: the header does not begin with {");
  const auto invalid = first_invalid_utf8(text);
  RAT_CHECK(!invalid, kInvalid, "header byte ", *invalid, ": not valid UTF-8");
  SafetensorsHeader header;
  JsonReader json(text);
  parse_object(json, "the header", [&](const std::string& name) {
    if (name == kMetadataKey) {
      parse_object(json, "__metadata__", [&](const std::string& key) {
        header.metadata.emplace(key, json.string("a value of __metadata__"));
      });
    } else {
      header.tensors.push_back(parse_tensor(json, name));
    }
  });
  json.expect_end();
  check_layout(header.tensors, data_bytes);
  return header;
}

}  // namespace rat::io
