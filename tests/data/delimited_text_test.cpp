#include "thaw/data/delimited_text.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "tests/temporary_folder.hpp"

using namespace std::string_view_literals;
using thaw_test::contains;

namespace {

using Table = std::vector<std::vector<std::string>>;

// All records; a fault becomes one last record {"fault", text}.
Table table_of(std::string_view text, const thaw::DelimitedText::Options& options) {
  Table table;
  thaw::DelimitedText records(text, "t", options);
  while (records.next()) table.emplace_back(records.fields().begin(), records.fields().end());
  if (records.failed()) table.push_back({"fault", records.fault().text});
  return table;
}

const thaw::DelimitedText::Options kCsv{.separator = ",", .quotes = true};

}  // namespace

TEST_CASE("exactly the characters of Unicode are UTF-8") {
  // Sizes fixed by the standard: U+0080..07FF, U+0800..FFFF without 2,048 surrogates, U+10000..10FFFF.
  int two = 0, three = 0, four = 0;
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      const char bytes[] = {static_cast<char>(a), static_cast<char>(b), '\xbf', '\x80'};
      two += thaw::detail::utf8_length({bytes, 2}) == 2;
      // All continuation bytes behave alike after the second, so one stands for 64.
      three += 64 * (thaw::detail::utf8_length({bytes, 3}) == 3);
      four += 64 * 64 * (thaw::detail::utf8_length({bytes, 4}) == 4);
    }
  CHECK(two == 0x800 - 0x80);
  CHECK(three == 0x10000 - 0x800 - 2048);
  CHECK(four == 0x110000 - 0x10000);
}

TEST_CASE("bytes that are not UTF-8 are found wherever they stand") {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'a');
    CHECK(thaw::detail::find_invalid_utf8(text) == std::string_view::npos);
    text[at] = '\xe9';
    CHECK(thaw::detail::find_invalid_utf8(text) == at);
  }
  CHECK(thaw::detail::find_invalid_utf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xac") == std::string_view::npos);
  CHECK(thaw::detail::find_invalid_utf8("caf\xc3") == 3);
}

TEST_CASE("Latin-1 becomes UTF-8") {
  CHECK(thaw::detail::latin1_to_utf8("Mis\xe9rables \xbf \xff") == "Mis\xc3\xa9rables \xc2\xbf \xc3\xbf");
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  const std::string converted = thaw::detail::latin1_to_utf8(all);
  CHECK(converted.size() == 128 + 2 * 128);
  CHECK(thaw::detail::find_invalid_utf8(converted) == std::string_view::npos);
}

TEST_CASE("CSV follows RFC 4180") {
  // The examples of the RFC, section 2.
  CHECK(table_of("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", kCsv) == Table{{"aaa", "bbb", "ccc"}, {"zzz", "yyy", "xxx"}});
  CHECK(table_of("aaa,bbb,ccc\r\nzzz,yyy,xxx", kCsv) == Table{{"aaa", "bbb", "ccc"}, {"zzz", "yyy", "xxx"}});
  CHECK(table_of("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", kCsv) ==
        Table{{"aaa", "b\r\nbb", "ccc"}, {"zzz", "yyy", "xxx"}});
  CHECK(table_of("\"aaa\",\"b\"\"bb\",\"ccc\"", kCsv) == Table{{"aaa", "b\"bb", "ccc"}});
  CHECK(table_of("a,,\n,,\"\"\n", kCsv) == Table{{"a", "", ""}, {"", "", ""}});
  CHECK(table_of("\"\"\"\",\"a,b\"", kCsv) == Table{{"\"", "a,b"}});
}

TEST_CASE("records survive being written and read") {
  const std::vector<std::string> pool = {"", "a", "a,b", "\"", "\"\"", "x\ny", "x\r\ny", "::", "\xc3\xa9", " "};
  Table table;
  std::string text;
  for (const std::string& a : pool)
    for (const std::string& b : pool) {
      table.push_back({a, b, "end"});
      for (const std::string& field : {a, b}) {
        text.push_back('"');
        for (const char c : field) text.append(c == '"' ? 2 : 1, c);
        text.append("\",");
      }
      text.append("end\n");
    }
  CHECK(table_of(text, kCsv) == table);
}

TEST_CASE("separators of several characters and runs of blanks") {
  CHECK(table_of("1::a:b::3\n", {.separator = "::"}) == Table{{"1", "a:b", "3"}});
  CHECK(table_of("1::::3", {.separator = "::"}) == Table{{"1", "", "3"}});
  CHECK(table_of("  1   2 3  \r\n4 5 6\n", {.separator = " ", .collapse = true}) ==
        Table{{"1", "2", "3"}, {"4", "5", "6"}});
  CHECK(table_of("a\"b\tc\n", {.separator = "\t"}) == Table{{"a\"b", "c"}});
}

TEST_CASE("lines are counted through quoted line ends") {
  thaw::DelimitedText records("a,\"x\ny\"\nb,c\n", "t", kCsv);
  CHECK(records.next());
  CHECK(records.line() == 1);
  CHECK(records.next());
  CHECK(records.line() == 3);
  CHECK(!records.next());
  CHECK(!records.failed());
}

TEST_CASE("broken records say what is wrong") {
  const auto last_fault = [](std::string_view text, const thaw::DelimitedText::Options& options) {
    const Table table = table_of(text, options);
    return table.empty() || table.back().size() != 2 || table.back()[0] != "fault" ? std::string() : table.back()[1];
  };
  CHECK(last_fault("a,b\nc,\"d", kCsv) == "t, line 2: column 2: a quote is opened and never closed");
  CHECK(contains(last_fault("a,b\"c\n", kCsv), "t, line 1: column 2: found a quote inside a field"));
  CHECK(contains(last_fault("\"a\"b,c\n", kCsv), "t, line 1: column 1: expected a separator or the line end"));
  CHECK(last_fault("a,b\n\nc,d\n", kCsv) == "t, line 2: expected a record, found an empty line");
  CHECK(contains(last_fault("a,b\rc,d\r", kCsv), "t, line 1: found a carriage return"));
  CHECK(contains(last_fault("abcdefghijk,b\n", {.separator = ",", .longest_record = 10}),
                 "t, line 1: longer than the limit of 10"));
  CHECK(contains(last_fault("\"abcdefghijk\",b\n", {.separator = ",", .quotes = true, .longest_record = 10}),
                 "longer than"));
  CHECK(table_of("a,b\n\n\r\n", kCsv) == Table{{"a", "b"}});
}

TEST_CASE("numbers are whole fields") {
  double number = 0;
  CHECK((thaw::detail::parse_number(" 4.5 ", number) && number == 4.5));
  CHECK((thaw::detail::parse_number("+3", number) && number == 3));
  CHECK((thaw::detail::parse_number("1e2", number) && number == 100));
  for (const std::string_view bad : {"", " ", "4,5", "4 5", "0x10", "++3", "+-3", "five", "4.5stars", "1e999"})
    CHECK_MESSAGE(!thaw::detail::parse_number(bad, number), std::string(bad));
  std::int64_t whole = 0;
  CHECK((thaw::detail::parse_integer("-9223372036854775808", whole) &&
         whole == (std::numeric_limits<std::int64_t>::min)()));
  CHECK(!thaw::detail::parse_integer("9223372036854775808", whole));
  CHECK(!thaw::detail::parse_integer("1.0", whole));
}

TEST_CASE("text that is not UTF-8 says what to do") {
  const auto fault = [](std::string_view text) {
    const auto checked = thaw::detail::checked_utf8(text, "t");
    return checked ? std::string() : std::string(checked.fault().text);
  };
  CHECK(contains(fault("\xff\xfe"
                       "1\0"sv),
                 "t: the file is UTF-16; convert it with: iconv"));
  CHECK(contains(fault("\xfe\xff\0"
                       "1"sv),
                 "t: the file is UTF-16"));
  CHECK(contains(fault("a\nb\0"sv), "t, line 2: expected text, found a zero byte"));
  CHECK(contains(fault("ok\nok\ncaf\xe9\n"), "t, line 3, byte 4: expected UTF-8, found byte 233"));
  const auto marked = thaw::detail::checked_utf8("\xef\xbb\xbfid", "t");
  CHECK(marked.ok());
  if (marked) CHECK(marked.value() == "id");
}
