// Text for people: numbers, durations and HTML, independent of the program's locale.
//
//   std::string line = "loss " + fixed_text(1.04321, 4) + ", " + duration_text(161) + " left";
//   page += escape_html(title_from_a_file);
//
// Not a formatting library, and not for files that are read back: those need every digit.
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/file/json_text.hpp"

namespace thaw::inline v0 {

// `value` with a fixed number of decimals and a point, whatever the locale says: "1.0432". Not finite: "nan", "inf".
inline std::string fixed_text(double value, int decimals) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[400];  // the longest double has 309 digits before the point
  const int places = decimals < 0 ? 0 : (decimals > 17 ? 17 : decimals);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, places);
  std::string text(buffer, end.ptr);
  const bool is_zero = text.find_first_not_of("-0.") == std::string::npos;
  if (is_zero && text[0] == '-') text.erase(0, 1);  // "-0.00" is a rounding artefact, not news
  return text;
}

// A number with `digits` significant digits, in the shorter of fixed and scientific form: "0.00021", "3.2", "4.1e-09".
inline std::string significant_text(double value, int digits) {
  if (!std::isfinite(value)) return fixed_text(value, 0);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
  return std::string(buffer, end.ptr);
}

// "+0.0123" or "−0.0123" with a true minus sign (UTF-8), for differences that people compare.
inline std::string signed_text(double value, int decimals) {
  std::string text = fixed_text(value, decimals);
  if (!std::isfinite(value)) return text;
  if (text[0] == '-') return "\u2212" + text.substr(1);
  return text.find_first_not_of("0.") == std::string::npos ? text : "+" + text;
}

// "a,b" as {"a", "b"}; nothing between two commas is no name.
inline std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    if (!name.empty()) names.emplace_back(name);
    text.remove_prefix(name.size() < text.size() ? name.size() + 1 : name.size());
  }
  return names;
}

// Seconds as people say them, with at most two units: "41 s", "2 min 41 s", "1 h 05 min", "3 d 4 h".
inline std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e12) return "unknown time";
  const auto whole = static_cast<long long>(seconds + 0.5);
  const auto two_digits = [](long long n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  if (whole < 86400) return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
  return std::to_string(whole / 86400) + " d " + std::to_string(whole % 86400 / 3600) + " h";
}

namespace detail {

// Calls visit(bytes) for each character of `text`; an invalid byte becomes U+FFFD, as browsers show it.
template <class Visit>
void each_character(std::string_view text, Visit&& visit) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = thaw::utf8_length(text.data() + i, text.size() - i);
    visit(length == 0 ? std::string_view("\uFFFD") : text.substr(i, length));
    i += length == 0 ? 1 : length;
  }
}

// Columns of one character: East Asian characters and emoji take two.
inline int character_columns(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  const bool is_replacement = character == std::string_view("\uFFFD");
  return first >= 0xE3 && !is_replacement ? 2 : 1;
}

}  // namespace detail

// Text made safe for HTML and SVG, in element content and in quoted attributes. Titles of real data sets are often
// Latin-1: a byte that is not UTF-8 becomes U+FFFD instead of spoiling the page; control characters become spaces.
inline std::string escape_html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size() + text.size() / 8);
  detail::each_character(text, [&](std::string_view character) {
    const char c = character[0];
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else if (c == '"') {
      safe += "&quot;";
    } else if (c == '\'') {
      safe += "&#39;";
    } else if (character.size() == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)) {
      safe += c == '\n' ? '\n' : ' ';
    } else {
      safe += character;
    }
  });
  return safe;
}

// How many columns `text` takes in a fixed-width font.
inline int text_columns(std::string_view text) {
  int columns = 0;
  detail::each_character(text, [&](std::string_view character) { columns += detail::character_columns(character); });
  return columns;
}

// `text` cut to `columns`, with an ellipsis where something is missing. Never cuts inside a character.
inline std::string shorten_text(std::string_view text, int columns) {
  if (text_columns(text) <= columns) return std::string(text);
  std::string kept;
  int used = 1;  // the ellipsis
  bool open = true;
  detail::each_character(text, [&](std::string_view character) {
    used += detail::character_columns(character);
    open = open && used <= columns;
    if (open) kept += character;
  });
  while (!kept.empty() && kept.back() == ' ') kept.pop_back();
  return kept + "\u2026";
}

}  // namespace thaw::inline v0
