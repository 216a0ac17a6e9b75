// Hostile and unusual safetensors headers, and some thousands of mutated ones. Needs no LibTorch.
#include "io/safetensors_header.h"

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cases.h"

namespace {

using namespace std::string_literals;
using rat::io::SafetensorsHeader;

constexpr const char* kInvalid = "ERR_RAT_SAFETENSORS_INVALID";

struct Rejected {
  std::string name;
  std::string header;
  std::int64_t data_bytes;
  // Must stand in the message.
  std::string words;
};

// A tensor of one float at the start of the data, the rest of its members after it.
const std::string kOne = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";

std::string with_fields(const std::string& fields) { return R"({"a":{)" + fields + "}}"; }

std::string with_shape(const std::string& shape, const std::string& offsets = "0,4") {
  return with_fields(R"("dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]");
}

std::string with_metadata(const std::string& metadata) { return R"({"__metadata__":)" + metadata + "}"; }

std::string with_key(const std::string& key) { return with_metadata("{\"" + key + "\":\"\"}"); }

// Two tensors of bytes with the given offsets; their sizes follow from those.
std::string two_tensors(int begin, int end, int second_begin, int second_end) {
  const auto tensor = [](const std::string& name, int from, int to) {
    return "\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(to - from) +
           R"(],"data_offsets":[)" + std::to_string(from) + "," + std::to_string(to) + "]}";
  };
  return "{" + tensor("first", begin, end) + "," + tensor("second", second_begin, second_end) + "}";
}

const std::vector<Rejected> kRejected = {
    // The text as a whole.
    {"an array", "[]", 0, "does not begin with {"},
    {"a space before the brace", " {}", 0, "does not begin with {"},
    {"a byte-order mark", "\xEF\xBB\xBF{}", 0, "does not begin with {"},
    {"an object that does not end", "{", 0, "header byte 1"},
    {"two objects", "{}{}", 0, "header byte 2: the JSON object is followed"},
    {"a NUL as padding", "{}\0"s, 0, "header byte 2"},
    {"a comma at the end", kOne + ",}", 4, "a key"},
    {"a comma alone", "{,}", 0, "header byte 1"},
    {"a key without a value", R"({"a"})", 0, "a colon"},
    {"a key without quotes", "{a:1}", 0, "a key"},
    {"a comment", "{/**/}", 0, "header byte 1"},
    // Strings.
    {"a byte that begins no character", with_key("\x80"), 0, "header byte 18: not valid UTF-8"},
    {"a cut character", with_key("\xE4\xB8"), 0, "not valid UTF-8"},
    {"an overlong slash", with_key("\xC0\xAF"), 0, "not valid UTF-8"},
    {"an overlong character of three bytes", with_key("\xE0\x80\xAF"), 0, "not valid UTF-8"},
    {"a surrogate in UTF-8", with_key("\xED\xA0\x80"), 0, "not valid UTF-8"},
    {"a character above U+10FFFF", with_key("\xF4\x90\x80\x80"), 0, "not valid UTF-8"},
    {"invalid UTF-8 in the padding", "{}\xFF", 0, "header byte 2: not valid UTF-8"},
    {"a line feed in a string", with_key("\n"), 0, "control character"},
    {"a string that does not end", R"({"abc)", 0, "header byte 1: the string does not end"},
    {"an unknown escape", with_key("\\x41"), 0, "unknown escape"},
    {"a backslash at the end", "{\"\\", 0, "unknown escape"},
    {"an escape with too few digits", with_key("\\u12"), 0, "four hexadecimal digits"},
    {"a high surrogate alone", with_key("\\ud83d"), 0, "surrogate"},
    {"a low surrogate alone", with_key("\\ude00"), 0, "surrogate"},
    {"two high surrogates", with_key("\\ud83d\\ud83d"), 0, "surrogate"},
    // Keys that occur twice.
    {"a tensor twice", kOne + R"(,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
     R"(the key "a" occurs twice)"},
    {"a tensor twice, once escaped", kOne + R"(,"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
     4, R"(the key "a" occurs twice)"},
    {"a field twice", with_fields(R"("dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4])"), 4,
     "twice"},
    {"__metadata__ twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
    {"a metadata key twice", with_metadata(R"({"k":"v","k":"v"})"), 0, R"(the key "k" occurs twice)"},
    // Metadata.
    {"metadata null", with_metadata("null"), 0, "__metadata__ as an object"},
    {"metadata with a number", with_metadata(R"({"k":1})"), 0, "a value of __metadata__ as a string"},
    {"metadata with an object", with_metadata(R"({"k":{}})"), 0, "a value of __metadata__ as a string"},
    {"metadata that looks like a tensor",
     with_metadata(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})"), 0,
     "a value of __metadata__ as a string"},
    // A tensor's description.
    {"a tensor as an array", R"({"a":["F32",[1],[0,4]]})", 4, "a tensor's description as an object"},
    {"deep nesting", R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}", 0,
     "header byte 5"},
    {"deep nesting of objects",
     [] {
       std::string text;
       for (int i = 0; i < 100'000; ++i) text += R"({"a":)";
       return text;
     }(),
     0, "unknown field \"a\""},
    {"an unknown field", with_fields(R"("dtype":"F32","strides":[1],"shape":[1],"data_offsets":[0,4])"), 4,
     R"(unknown field "strides")"},
    {"no dtype", with_fields(R"("shape":[1],"data_offsets":[0,4])"), 4, R"(tensor "a" lacks dtype)"},
    {"no shape", with_fields(R"("dtype":"F32","data_offsets":[0,4])"), 4, "lacks shape"},
    {"no offsets", with_fields(R"("dtype":"F32","shape":[1])"), 4, "lacks data_offsets"},
    {"an unknown dtype", with_fields(R"("dtype":"F128","shape":[1],"data_offsets":[0,16])"), 16,
     R"(unknown dtype "F128")"},
    {"a dtype in lower case", with_fields(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), 4,
     "unknown dtype"},
    {"a dtype as an object", with_fields(R"("dtype":{"F32":null},"shape":[1],"data_offsets":[0,4])"), 4,
     "dtype as a string"},
    {"one offset", with_shape("1", "0"), 4, "two numbers"},
    {"three offsets", with_shape("1", "0,4,4"), 4, "two numbers"},
    {"a shape that is a number", with_fields(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), 4,
     "shape as an array"},
    // Numbers.
    {"a negative dimension", with_shape("-1"), 4, "shape is negative"},
    {"a negative zero", with_shape("1", "-0,4"), 4, "data_offsets is negative"},
    {"a fraction", with_shape("1.0"), 4, "shape is not a whole number"},
    {"an exponent", with_shape("1e0"), 4, "shape is not a whole number"},
    {"a leading zero", with_shape("01"), 4, "leading zero"},
    {"a plus sign", with_shape("+1"), 4, "not a number"},
    {"a number as a string", with_shape("\"1\""), 4, "not a number"},
    {"2^53 + 1", with_shape("0,9007199254740993", "0,0"), 0, "above 2^53"},
    {"2^64 + 1, which wraps round to 1", with_shape("18446744073709551617"), 4, "above 2^53"},
    {"a thousand digits", with_shape(std::string(1000, '9')), 4, "above 2^53"},
    // Sizes and layout.
    {"a product that wraps round to 0", with_shape("4294967296,4294967296", "0,0"), 0, "overflows"},
    {"strides that overflow behind a zero", with_shape("0,4294967296,4294967296", "0,0"), 0, "overflows"},
    {"a size in bits that overflows", with_shape("4294967296,1073741824", "0,0"), 0, "in bits overflows"},
    {"half a byte", with_fields(R"("dtype":"F4","shape":[1],"data_offsets":[0,1])"), 1,
     "whole number of bytes"},
    {"fewer bytes than the shape needs", with_shape("2"), 4, "need 8 bytes but data_offsets give 4"},
    {"more bytes than the shape needs", with_shape("0"), 4, "need 0 bytes but data_offsets give 4"},
    {"reversed offsets", with_shape("1", "4,0"), 4, "reversed"},
    {"a hole at the start", with_shape("1", "4,8"), 8, "leaves a hole"},
    {"a hole between two tensors", two_tensors(0, 2, 3, 4), 4, "leaves a hole"},
    {"two tensors that overlap", two_tensors(0, 3, 2, 4), 4, "overlaps"},
    {"two tensors on the same bytes", two_tensors(0, 4, 0, 4), 4, "overlaps"},
    {"an empty tensor inside another", two_tensors(0, 4, 2, 2), 4, "overlaps"},
    {"data after the last tensor", kOne + "}", 5, "bytes that belong to nothing"},
    {"data without a tensor", "{}", 1, "bytes that belong to nothing"},
    {"data cut short", kOne + "}", 3, "cut short"},
};

struct Accepted {
  std::string name;
  std::string header;
  std::int64_t data_bytes;
  // Names with dtype and shape in the order of the data, then the metadata: `a F32 [2,3]; k=v;`.
  std::string content;
};

std::string describe(const SafetensorsHeader& header) {
  std::string out;
  for (const auto& tensor : header.tensors) {
    out += tensor.name + " " + tensor.dtype + " [";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      out += (i ? "," : "") + std::to_string(tensor.shape[i]);
    out += "]; ";
  }
  for (const auto& [key, value] : header.metadata) out += key + "=" + value + "; ";
  return out;
}

const std::vector<Accepted> kAccepted = {
    {"an empty object", "{}", 0, ""},
    {"padding with spaces", "{}      ", 0, ""},
    {"other white space after the object", "{}\n\t\r ", 0, ""},
    {"white space between tokens",
     "{ \"a\" :\t{\"dtype\":\"U8\",\n\"shape\":[ 1 , 2 ],\"data_offsets\":[0\r,2] } }", 2, "a U8 [1,2]; "},
    {"one tensor", kOne + "}", 4, "a F32 [1]; "},
    {"rank 0", with_shape(""), 4, "a F32 []; "},
    {"a zero dimension", with_shape("3,0,2", "0,0"), 0, "a F32 [3,0,2]; "},
    {"a dimension of 2^53", with_shape("0,9007199254740992", "0,0"), 0, "a F32 [0,9007199254740992]; "},
    {"keys out of the order of their data", two_tensors(2, 4, 0, 2), 4, "second U8 [2]; first U8 [2]; "},
    {"an empty tensor between two others", two_tensors(0, 4, 4, 4), 4, "first U8 [4]; second U8 [0]; "},
    {"an empty tensor listed after the one it precedes", two_tensors(0, 4, 0, 0), 4,
     "second U8 [0]; first U8 [4]; "},
    {"data at an unaligned offset",
     R"({"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},"d":{"dtype":"F64","shape":[1],"data_offsets":[3,11]}})",
     11, "b BOOL [3]; d F64 [1]; "},
    {"a dtype narrower than a byte", with_fields(R"("dtype":"F4","shape":[2],"data_offsets":[0,1])"), 1,
     "a F4 [2]; "},
    {"an empty name", R"({"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, " U8 []; "},
    {"escapes in names",
     R"({"\"\\\/\b\f\n\r\t\u00e9\u4E2D\ud83d\ude00":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1,
     "\"\\/\b\f\n\r\té中😀 U8 []; "},
    {"names in UTF-8", R"({"é中😀":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", 1, "é中😀 U8 []; "},
    {"escapes in fields and dtypes", with_fields(R"("\u0064type":"\u00558","shape":[],"data_offsets":[0,1])"),
     1, "a U8 []; "},
    {"metadata", with_metadata(R"({"format":"pt","":""})"), 0, "=; format=pt; "},
    {"metadata by an escaped name", R"({"\u005f_metadata__":{"k":"v"}})", 0, "k=v; "},
    {"metadata with a NUL", with_metadata(R"({"k":"\u0000"})"), 0, "k=\0; "s},
};

std::string check_accepted(const Accepted& expected) {
  try {
    const std::string content =
        describe(rat::io::parse_safetensors_header(expected.header, expected.data_bytes));
    return content == expected.content ? "" : "read as " + content;
  } catch (const rat::Error& error) {
    return "threw " + error.code() + ": " + error.what();
  }
}

std::string length_prefix(std::uint64_t length) {
  std::string prefix;
  for (int shift = 0; shift < 64; shift += 8) prefix.push_back(static_cast<char>(length >> shift & 0xFF));
  return prefix;
}

void test_length() {
  struct Case {
    std::string name;
    std::string prefix;
    std::int64_t file_bytes;
    std::string words;
  };
  const std::vector<Case> rejected = {
      {"an empty file", "", 0, "fewer than the 8"},
      {"a file of seven bytes", std::string(7, '\0'), 7, "fewer than the 8"},
      {"a header length of 0", length_prefix(0), 8, "too short"},
      {"a header length of 1", length_prefix(1), 9, "too short"},
      {"a header length beyond the file", length_prefix(3), 10, "cut short"},
      {"a header length above the limit", length_prefix(100'000'001), 200'000'000, "above the limit"},
      {"a header length of 2^63", length_prefix(std::uint64_t{1} << 63), 100, "above the limit"},
      {"a header length of 2^64 - 1", length_prefix(~std::uint64_t{0}), 100, "above the limit"},
  };
  for (const Case& c : rejected) {
    rat::test::report("rejects " + c.name, rat::test::expect_error(kInvalid, c.words, [&] {
                        rat::io::parse_header_length(c.prefix, c.file_bytes);
                      }));
  }
  const bool holds = rat::io::parse_header_length(length_prefix(2), 10) == 2 &&
                     rat::io::parse_header_length(length_prefix(640), 1000) == 640 &&
                     rat::io::parse_header_length(length_prefix(100'000'000), 100'000'008) == 100'000'000;
  rat::test::report("reads a header length up to the limit", holds ? "" : "wrong length");
}

void test_pickle() {
  const auto check = [](const std::string& name, const std::string& start, bool expected) {
    rat::test::report(name, rat::io::looks_like_pickle(start) == expected ? "" : "wrong verdict");
  };
  check("knows a zip archive of torch.save", "PK\x03\x04\0\0\x08\x08\0"s, true);
  check("knows a pickle of protocol 2",
        "\x80\x02\x8A\x0Al\xFC\x9C"
        "F\xF9"s,
        true);
  check("knows a pickle of four bytes", "\x80\x04N."s, true);
  check("takes a header of 640 bytes for no pickle", length_prefix(0x0280) + "{", false);
  check("takes a header of 67,324,752 bytes for no zip archive", length_prefix(0x04034B50) + "{", false);
  check("takes an empty file for no pickle", "", false);
}

// Whatever is accepted covers its data exactly; whatever is not is refused with the right code.
std::string check_mutant(const std::string& header, std::int64_t data_bytes) {
  try {
    std::int64_t covered = 0;
    for (const auto& tensor : rat::io::parse_safetensors_header(header, data_bytes).tensors) {
      if (tensor.begin != covered || tensor.end < tensor.begin) return "accepted a hole in " + header;
      covered = tensor.end;
    }
    return covered == data_bytes ? "" : "accepted a rest in " + header;
  } catch (const rat::Error& error) {
    return error.code() == kInvalid ? "" : "threw " + error.code() + " for " + header;
  }
}

void test_mutants() {
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::string alphabet = "{}[]:,\"\\u0129.-e \n\x80\xE4\xFF";
  std::string why;
  for (int i = 0; i < 30'000 && why.empty(); ++i) {
    const Accepted& seed = kAccepted[below(kAccepted.size())];
    std::string header = seed.header;
    for (std::size_t edits = 1 + below(3); edits-- > 0;) {
      const std::size_t at = below(header.size() + 1);
      switch (below(4)) {
        case 0:
          header.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        case 1:
          header.erase(at, 1 + below(3));
          break;
        case 2:
          if (at < header.size()) header[at] = alphabet[below(alphabet.size())];
          break;
        default:
          header.resize(at);
      }
    }
    why = check_mutant(header, seed.data_bytes);
  }
  rat::test::report("holds for 30,000 mutated headers", why);
}

}  // namespace

int main() {
  for (const Rejected& c : kRejected) {
    rat::test::report("rejects " + c.name, rat::test::expect_error(kInvalid, c.words, [&] {
                        rat::io::parse_safetensors_header(c.header, c.data_bytes);
                      }));
  }
  for (const Accepted& c : kAccepted) rat::test::report("accepts " + c.name, check_accepted(c));
  test_length();
  test_pickle();
  test_mutants();
}
