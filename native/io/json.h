// A cursor over the JSON of a safetensors header: the caller asks for what must come next and gets it or an
// error that says where. It builds no tree, so it cannot recurse, whatever the text nests. The grammar is
// that of serde_json, which the reference implementation of safetensors uses. Nothing here knows LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rat::io {

/// The largest integer that every JSON reader keeps exact.
inline constexpr std::int64_t kMaxJsonInteger = std::int64_t{1} << 53;

/// Offset of the first byte that is not part of well-formed UTF-8 (RFC 3629: no overlong
/// forms, no surrogates).
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// `text` as a JSON string with its quotes; bytes from 0x20 on, quote and backslash apart, stay as they are.
std::string json_quote(std::string_view text);

/// `text` for a message: quoted, and cut at a character after 80 bytes, since names come from outside.
std::string quote_for_message(std::string_view text);

/// Every failure is ERR_RAT_SAFETENSORS_INVALID with the byte offset in the text.
class JsonReader {
 public:
  /// `text` outlives the reader and is valid UTF-8.
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// Takes `character` after white space, or fails with `expected` ("a comma or ...") in the message.
  void expect(char character, const std::string& expected);
  /// Takes `character` after white space if it is the next one.
  bool accept(char character);
  /// A string, unescaped; `what` names it in a message ("a tensor name").
  std::string string(const std::string& what);
  /// A whole number from 0 to 2^53 without sign, fraction or exponent.
  std::int64_t integer(const std::string& what);
  /// Only white space may be left.
  void expect_end();

  [[noreturn]] void fail(const std::string& what) const { fail_at(position_, what); }

 private:
  [[noreturn]] void fail_at(std::size_t position, const std::string& what) const;
  void skip_white_space();
  bool at_end() const { return position_ == text_.size(); }
  void append_escape(std::string& out);
  std::uint32_t hex4();

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace rat::io
