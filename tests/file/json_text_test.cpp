#include "thaw/file/json_text.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using thaw::JsonReader;
using thaw::JsonText;

namespace {

struct Parsed {
  bool ok = false;
  std::string text;
  std::string problem;
  bool at_end = false;
};

Parsed parse_string(const std::string& json_text) {
  JsonReader json{json_text.data(), 0, json_text.size(), nullptr};
  JsonText text;
  Parsed out;
  out.ok = json.string(text);
  if (json.problem != nullptr) out.problem = json.problem;
  if (!out.ok) return out;
  out.text.resize(text.size());
  text.copy_to(out.text.data(), out.text.size());
  out.at_end = json.at == json_text.size();
  return out;
}

// Encodes by the definition of UTF-8, as the reference.
std::string utf8_of(unsigned code) {
  const auto byte = [](unsigned value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 63))};
  if (code < 0x10000) return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)),
          byte(0x80 | (code & 63))};
}

std::string escape_of(unsigned unit) {
  constexpr char kHex[] = "0123456789ABCDEF";
  return {'\\', 'u', kHex[unit >> 12], kHex[unit >> 8 & 15], kHex[unit >> 4 & 15], kHex[unit & 15]};
}

}  // namespace

TEST_CASE("every code point reads the same raw and escaped") {
  int wrong = 0;
  for (unsigned code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    const std::string expected = utf8_of(code);
    const std::string escaped =
        code < 0x10000 ? escape_of(code)
                       : escape_of(0xD800 + ((code - 0x10000) >> 10)) + escape_of(0xDC00 + ((code - 0x10000) & 0x3FF));
    const Parsed from_escape = parse_string("\"" + escaped + "\"");
    if (!from_escape.ok || from_escape.text != expected || !from_escape.at_end) ++wrong;
    if (code < 0x20 || code == '"' || code == '\\') continue;
    const Parsed raw = parse_string("\"" + expected + "\"");
    if (!raw.ok || raw.text != expected || !raw.at_end) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("short escapes") {
  const Parsed parsed = parse_string(R"("\"\\\/\b\f\n\r\t")");
  CHECK(parsed.ok);
  CHECK(parsed.text == "\"\\/\b\f\n\r\t");
}

TEST_CASE("strings that are refused, each with its reason") {
  const struct {
    std::string text;
    const char* problem;
  } cases[] = {
      {"", "expected '\"'"},
      {"abc", "expected '\"'"},
      {"\"abc", "the string does not end"},
      {"\"abc\\", "the string does not end"},
      {"\"abc\\u12", "the string does not end"},
      {"\"a\nb\"", "a control character inside a string"},
      {std::string("\"a\0b\"", 5), "a control character inside a string"},
      {"\"\\x41\"", "unknown escape inside a string"},
      {"\"\\u12G4\"", "expected four hexadecimal digits after \\u"},
      {"\"\\ud800\"", "half a surrogate pair inside a string"},
      {"\"\\udc00\"", "half a surrogate pair inside a string"},
      {"\"\\ud800\\u0041\"", "half a surrogate pair inside a string"},
      {"\"\\ud800\\n\"", "half a surrogate pair inside a string"},
      {"\"\x80\"", "the string is not valid UTF-8"},
      {"\"\xC0\x80\"", "the string is not valid UTF-8"},          // overlong
      {"\"\xE0\x80\x80\"", "the string is not valid UTF-8"},      // overlong
      {"\"\xED\xA0\x80\"", "the string is not valid UTF-8"},      // surrogate
      {"\"\xF4\x90\x80\x80\"", "the string is not valid UTF-8"},  // above U+10FFFF
      {"\"\xF0\x9F\x98", "the string is not valid UTF-8"},        // cut
      {"\"\xFF\"", "the string is not valid UTF-8"},
  };
  for (const auto& bad : cases) {
    const Parsed parsed = parse_string(bad.text);
    CAPTURE(bad.text);
    CHECK_FALSE(parsed.ok);
    CHECK(parsed.problem == bad.problem);
  }
}

TEST_CASE("whole numbers") {
  const struct {
    const char* text;
    bool ok;
    std::uint64_t value;
  } cases[] = {
      {"0", true, 0},    {"7]", true, 7},     {"18446744073709551615", true, UINT64_MAX},
      {"-1", false, 0},  {"01", false, 0},    {"18446744073709551616", false, 0},
      {"1.0", false, 0}, {"1e3", false, 0},   {"99999999999999999999999", false, 0},
      {"", false, 0},    {"\"1\"", false, 0}, {"+1", false, 0},
  };
  for (const auto& item : cases) {
    JsonReader json{item.text, 0, std::strlen(item.text), nullptr};
    std::uint64_t number = 0;
    CAPTURE(item.text);
    CHECK(json.whole_number(number) == item.ok);
    if (item.ok) CHECK(number == item.value);
    CHECK((json.problem == nullptr) == item.ok);
  }
}

TEST_CASE("texts compare and equal by what they mean, not how they are written") {
  const auto text_of = [](const char* inside) { return JsonText{inside, inside + std::strlen(inside)}; };
  CHECK(text_of("A\\u0042C").equals({"ABC", 3}));
  CHECK_FALSE(text_of("ABC").equals({"AB", 2}));
  CHECK_FALSE(text_of("AB").equals({"ABC", 3}));
  CHECK(text_of("A\\u0042C").compare(text_of("ABC")) == 0);
  CHECK(text_of("AB").compare(text_of("ABC")) < 0);
  CHECK(text_of("B").compare(text_of("ABC")) > 0);
  CHECK(text_of("\xC3\xA9").compare(text_of("z")) > 0);  // bytes above 127 come last
}

TEST_CASE("a text that is longer than the buffer is cut, its whole length returned") {
  const char* inside = "abc\\u00e9";
  const JsonText text{inside, inside + std::strlen(inside)};
  char buffer[5] = {'#', '#', '#', '#', '#'};
  CHECK(text.copy_to(buffer, 4) == 5);
  CHECK(std::string(buffer, 5) == "abc\xC3#");
}

TEST_CASE("a text in a message shows no control characters and has an end") {
  const std::string inside = "a\\n" + std::string(500, 'x');
  const JsonText text{inside.data(), inside.data() + inside.size()};
  const thaw::Fault fault = thaw::make_fault(thaw::FaultKind::malformed, text);
  CHECK(std::string(fault.text) == "a?" + std::string(78, 'x') + "...");
}
