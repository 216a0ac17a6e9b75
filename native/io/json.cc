#include "io/json.h"

#include <algorithm>

#include "core/check.h"

namespace rat::io {
namespace {

constexpr std::size_t kLongestNameInMessage = 80;

unsigned char byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

bool is_continuation(std::string_view text, std::size_t i) {
  return i < text.size() && (byte_at(text, i) & 0xC0) == 0x80;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto append = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    append(point);
  } else if (point < 0x800) {
    append(0xC0 | point >> 6);
    append(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    append(0xE0 | point >> 12);
    append(0x80 | (point >> 6 & 0x3F));
    append(0x80 | (point & 0x3F));
  } else {
    append(0xF0 | point >> 18);
    append(0x80 | (point >> 12 & 0x3F));
    append(0x80 | (point >> 6 & 0x3F));
    append(0x80 | (point & 0x3F));
  }
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char lead = byte_at(text, i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if (!is_continuation(text, i + k)) return i;
    }
    // The second byte rules out overlong forms (E0, F0), surrogates (ED) and points above U+10FFFF (F4).
    const unsigned char second = byte_at(text, i + 1);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return i;
    }
    i += length;
  }
  return std::nullopt;
}

std::string json_quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 0xF];
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

std::string quote_for_message(std::string_view text) {
  if (text.size() <= kLongestNameInMessage) return json_quote(text);
  std::size_t end = kLongestNameInMessage;
  while (end > 0 && is_continuation(text, end)) --end;
  return json_quote(text.substr(0, end)) + "...";
}

void JsonReader::fail_at(std::size_t position, const std::string& what) const {
  rat::fail("ERR_RAT_SAFETENSORS_INVALID", "header byte ", position, ": ", what);
}

void JsonReader::skip_white_space() {
  position_ = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size());
}

bool JsonReader::accept(char character) {
  skip_white_space();
  if (at_end() || text_[position_] != character) return false;
  ++position_;
  return true;
}

void JsonReader::expect(char character, const std::string& expected) {
  if (!accept(character)) fail("expected " + expected);
}

void JsonReader::expect_end() {
  skip_white_space();
  if (!at_end()) fail("the JSON object is followed by something other than white space");
}

std::string JsonReader::string(const std::string& what) {
  expect('"', what + " as a string");
  const std::size_t start = position_ - 1;
  std::string out;
  while (!at_end()) {
    const char c = text_[position_];
    if (static_cast<unsigned char>(c) < 0x20) fail("a control character stands unescaped in a string");
    ++position_;
    if (c == '"') return out;
    if (c == '\\') {
      append_escape(out);
    } else {
      out.push_back(c);
    }
  }
  fail_at(start, "the string does not end");
}

// What follows a backslash.
void JsonReader::append_escape(std::string& out) {
  const std::size_t start = position_ - 1;
  const char kind = at_end() ? '\0' : text_[position_++];
  switch (kind) {
    case '"':
    case '\\':
    case '/':
      out.push_back(kind);
      return;
    case 'b':
      out.push_back('\b');
      return;
    case 'f':
      out.push_back('\f');
      return;
    case 'n':
      out.push_back('\n');
      return;
    case 'r':
      out.push_back('\r');
      return;
    case 't':
      out.push_back('\t');
      return;
    case 'u':
      break;
    default:
      fail_at(start, "unknown escape in a string");
  }
  const auto is_high = [](std::uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; };
  const auto is_low = [](std::uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; };
  std::uint32_t point = hex4();
  if (is_high(point) && text_.substr(position_, 2) == "\\u") {
    position_ += 2;
    const std::uint32_t low = hex4();
    if (!is_low(low)) fail_at(start, "half of a surrogate pair in a string");
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  if (is_high(point) || is_low(point)) fail_at(start, "half of a surrogate pair in a string");
  append_utf8(out, point);
}

std::uint32_t JsonReader::hex4() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at_end() ? '\0' : text_[position_];
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A') + 10;
    } else {
      fail("\\u is not followed by four hexadecimal digits");
    }
    value = value << 4 | digit;
    ++position_;
  }
  return value;
}

std::int64_t JsonReader::integer(const std::string& what) {
  skip_white_space();
  const std::size_t start = position_;
  const auto is_digit = [this] { return !at_end() && text_[position_] >= '0' && text_[position_] <= '9'; };
  const auto require = [&](bool holds, const char* message) {
    if (!holds) fail_at(start, what + " " + message);
  };
  require(at_end() || text_[position_] != '-', "is negative");
  require(is_digit(), "is not a number");
  std::int64_t value = 0;
  for (; is_digit(); ++position_) {
    require(position_ == start || value != 0, "has a leading zero");
    // At most 2^53 before this digit, so that the product stays far below 2^63.
    value = value * 10 + (text_[position_] - '0');
    require(value <= kMaxJsonInteger, "is above 2^53");
  }
  const char next = at_end() ? '\0' : text_[position_];
  require(next != '.' && next != 'e' && next != 'E', "is not a whole number");
  return value;
}

}  // namespace rat::io
