// The JSON cursor below the header: any text as a string, a number, an object, and any string quoted and read back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/check.h"
#include "io/json.h"

namespace {

using namespace rat::io;

void require(bool condition) {
  if (!condition) std::abort();
}

template <typename Read>
void try_to(Read read) {
  try {
    read();
  } catch (const rat::Error& error) {
    require(error.code() == "ERR_RAT_SAFETENSORS_INVALID");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(!first_invalid_utf8(quote_for_message(text)) || first_invalid_utf8(text));
  if (first_invalid_utf8(text)) return 0;  // checked before a reader sees it

  const std::string quoted = json_quote(text);
  JsonReader quoted_reader(quoted);
  require(quoted_reader.string("a text") == text);
  quoted_reader.expect_end();

  try_to([&] {
    JsonReader reader(text);
    const std::string value = reader.string("a text");
    require(!first_invalid_utf8(value));
    reader.expect_end();
  });
  try_to([&] {
    JsonReader reader(text);
    const std::int64_t value = reader.integer("a number");
    require(value >= 0 && value <= kMaxJsonInteger);
    reader.expect_end();
  });
  try_to([&] {
    JsonReader reader(text);
    reader.expect('{', "an object");
    while (!reader.accept('}')) {
      reader.string("a key");
      reader.expect(':', "a colon");
      reader.integer("a number");
      reader.accept(',');
    }
    reader.expect_end();
  });
  return 0;
}
