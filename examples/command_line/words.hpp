// What a program says and reads at a shell: commands that can be copied, numbers that are checked.
//
//   command_line::shell_quoted("my ratings.csv");                  // 'my ratings.csv'
//   command_line::whole_number_problem("-1", 0, 100);              // "expected a whole number from 0 to 100, found
//   \"-1\"" command_line::positive_number_problem("1e-3");                 // "": no problem
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace command_line {

// A word as a POSIX shell must read it to get the same word back.
inline std::string shell_quoted(std::string_view word) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=,+@%").find(c) != std::string_view::npos;
  };
  bool plain = !word.empty();
  for (const char c : word) plain = plain && is_plain(c);
  if (plain) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// What is wrong with the text of a whole number; empty when nothing is.
inline std::string whole_number_problem(std::string_view text, std::uint64_t least,
                                        std::uint64_t most = (std::numeric_limits<std::uint64_t>::max)()) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= least && number <= most) return {};
  std::string problem = "expected a whole number from " + std::to_string(least);
  problem += most == (std::numeric_limits<std::uint64_t>::max)() ? " on" : " to " + std::to_string(most);
  return problem + ", found \"" + std::string(text) + "\"";
}

// The same for a number above zero.
inline std::string positive_number_problem(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number) && number > 0) return {};
  return "expected a number above 0, such as 1e-3, found \"" + std::string(text) + "\"";
}

}  // namespace command_line
