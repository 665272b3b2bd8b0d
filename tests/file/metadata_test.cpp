#include "thaw/file/metadata.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/file/safetensors_bytes.hpp"

using namespace file_test;

TEST_CASE("integers") {
  CHECK(thaw::encode_integer(-12) == "-12");
  CHECK(thaw::encode_integer(UINT64_MAX) == "18446744073709551615");
  CHECK(thaw::decode_integer(thaw::encode_integer(INT64_MIN)).value() == INT64_MIN);
  CHECK(thaw::decode_integer<std::uint64_t>("18446744073709551615").value() == UINT64_MAX);
  for (const char* bad : {"", " 1", "1 ", "0x10", "1.5", "--1", "one", "9223372036854775808"}) {
    CAPTURE(bad);
    CHECK_FALSE(thaw::decode_integer(bad).ok());
  }
  CHECK(std::string(thaw::decode_integer("1.5").fault().text) == "'1.5' is not a whole number");
  CHECK(std::string(thaw::decode_integer<std::int8_t>("128").fault().text) == "'128' does not fit the type asked for");
}

TEST_CASE("real numbers come back bit for bit") {
  CHECK(thaw::encode_real(0.001) == "0.001");
  CHECK(thaw::encode_real(64) == "64");
  std::uint64_t state = 1;
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double number = std::bit_cast<double>(state);
    if (std::isnan(number)) continue;
    const auto back = thaw::decode_real(thaw::encode_real(number));
    wrong += !back || std::bit_cast<std::uint64_t>(back.value()) != state;
  }
  CHECK(wrong == 0);
  for (const double number : {0.0, -0.0, 5e-324, -1.7976931348623157e308, std::numeric_limits<double>::infinity()}) {
    const auto back = thaw::decode_real(thaw::encode_real(number));
    CHECK(std::bit_cast<std::uint64_t>(back.value()) == std::bit_cast<std::uint64_t>(number));
  }
  CHECK(std::isnan(thaw::decode_real(thaw::encode_real(std::nan(""))).value()));
  for (const char* bad : {"", "1,5", "1.5 ", "abc", "1e400"}) CHECK_FALSE(thaw::decode_real(bad).ok());
}

TEST_CASE("lists of texts") {
  CHECK(thaw::encode_list({}) == "[]");
  CHECK(thaw::encode_list({"a", "b\"c"}) == "[\"a\",\"b\\\"c\"]");
  std::string every_byte;
  for (char c = 0; c >= 0 && c < 127; ++c) every_byte += c;
  const std::vector<std::string> awkward = {
      "", ",", "]", "\"", "\\", "\\u0041", "\n\r\t", every_byte, "\xC3\xA9\xF0\x9F\x98\x80"};
  const auto back = thaw::decode_list(thaw::encode_list(awkward));
  CHECK(back.ok());
  if (back) CHECK(back.value() == awkward);
  CHECK(thaw::decode_list(" [ \"a\" , \"b\" ] ").value() == std::vector<std::string>{"a", "b"});
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"", "byte 0: expected '['"},           {"{}", "byte 0: expected '['"},         {"[", "expected '\"'"},
      {"[\"a\"", "expected ',' or ']'"},      {"[\"a\",]", "expected '\"'"},          {"[1]", "byte 1: expected '\"'"},
      {"[\"a\"]x", "text after the closing"}, {"[[\"a\"]]", "byte 1: expected '\"'"},
  };
  for (const auto& bad : cases) {
    const auto result = thaw::decode_list(bad.text);
    CAPTURE(bad.text);
    CHECK_FALSE(result.ok());
    if (!result) CHECK(mentions(result.fault().text, bad.message));
  }
}

TEST_CASE("metadata of a file by key, with the key in the message") {
  std::string header = "{\"__metadata__\":{\"width\":\"64\",\"rate\":\"0.5\",\"genres\":";
  thaw::append_json_string(header, thaw::encode_list({"Drama", "Film-Noir", "Children's \"quoted\""}));
  header += "}}";
  const std::string file = file_of(header, 0);
  const auto opened = thaw::SafetensorsView::open(file.data(), file.size());
  CHECK(opened.ok());
  if (!opened) return;
  const thaw::SafetensorsView& view = opened.value();
  CHECK(thaw::metadata_integer(view, "width").value() == 64);
  CHECK(thaw::metadata_real(view, "rate").value() == 0.5);
  CHECK(thaw::metadata_text(view, "rate").value() == "0.5");
  CHECK(thaw::metadata_list(view, "genres").value() ==
        std::vector<std::string>{"Drama", "Film-Noir", "Children's \"quoted\""});
  CHECK(std::string(thaw::metadata_integer(view, "rate").fault().text) ==
        "metadata 'rate': '0.5' is not a whole number");
  CHECK(mentions(thaw::metadata_list(view, "width").fault().text, "metadata 'width': a list of texts, byte 0"));
  CHECK(mentions(thaw::metadata_real(view, "depth").fault().text, "no metadata 'depth' in the file, which has 3"));
}
