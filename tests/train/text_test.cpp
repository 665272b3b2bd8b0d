#include "thaw/train/text.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <limits>

using namespace thaw;

TEST_CASE("numbers: decimals, not finite, and no negative zero") {
  CHECK(fixed_text(1.04321, 4) == "1.0432");
  CHECK(fixed_text(-0.00001, 2) == "0.00");
  CHECK(fixed_text(-1.5, 1) == "-1.5");
  CHECK(fixed_text(1e300, 0).size() == 301);
  CHECK(fixed_text(std::numeric_limits<double>::quiet_NaN(), 3) == "nan");
  CHECK(fixed_text(-std::numeric_limits<double>::infinity(), 3) == "-inf");
  CHECK(significant_text(0.00021, 4) == "0.00021");
  CHECK(significant_text(4.1e-9, 4) == "4.1e-09");
  CHECK(signed_text(0.01234, 3) == "+0.012");
  CHECK(signed_text(-0.01234, 3) == "\u22120.012");
  CHECK(signed_text(-0.0001, 3) == "0.000");
}

TEST_CASE("numbers do not follow the program's locale") {
  const char* german = std::setlocale(LC_NUMERIC, "de_DE.UTF-8");
  CHECK(fixed_text(2.5, 1) == "2.5");
  if (german != nullptr) std::setlocale(LC_NUMERIC, "C");
}

TEST_CASE("durations use at most two units") {
  CHECK(duration_text(0) == "0 s");
  CHECK(duration_text(59.4) == "59 s");
  CHECK(duration_text(59.6) == "1 min 00 s");
  CHECK(duration_text(161) == "2 min 41 s");
  CHECK(duration_text(3900) == "1 h 05 min");
  CHECK(duration_text(86400.0 * 3 + 4 * 3600) == "3 d 4 h");
  CHECK(duration_text(-1) == "unknown time");
  CHECK(duration_text(std::numeric_limits<double>::quiet_NaN()) == "unknown time");
}

TEST_CASE("escaping covers the five characters of HTML, broken UTF-8 and control characters") {
  CHECK(escape_html("<b a=\"1\" c='2'>&") == "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
  CHECK(escape_html("Les Mis\xe9rables") == "Les Mis\uFFFDrables");  // Latin-1, as MovieLens 1M has it
  CHECK(escape_html("\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x8e\xac") == "\u00e9 \u4e2d \U0001F3AC");
  CHECK(escape_html("\xc0\xbc") == "\uFFFD\uFFFD");                      // overlong '<'
  CHECK(escape_html("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");            // a surrogate
  CHECK(escape_html("\xf4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  CHECK(escape_html("cut \xe4\xb8") == "cut \uFFFD\uFFFD");
  CHECK(escape_html(std::string_view("a\0b\x1b[0m\tc\nd", 11)) == "a b [0m c\nd");
}

TEST_CASE("shortening counts columns, not bytes") {
  CHECK(text_columns("caf\u00e9") == 4);
  CHECK(text_columns("\u4e2d\u6587") == 4);
  CHECK(shorten_text("caf\u00e9", 4) == "caf\u00e9");
  CHECK(shorten_text("The Fellowship", 5) == "The\u2026");
  CHECK(shorten_text("\u4e2d\u6587\u5b57", 5) == "\u4e2d\u6587\u2026");
  CHECK(text_columns(shorten_text("\u4e2d\u6587\u5b57", 4)) <= 4);
}

TEST_CASE("names between commas, and nothing where there is none") {
  using Names = std::vector<std::string>;
  CHECK(thaw::split_names("a,b c") == Names{"a", "b c"});
  CHECK(thaw::split_names(",a,,b,") == Names{"a", "b"});
  CHECK(thaw::split_names(",").empty());
  CHECK(thaw::split_names("").empty());
}
