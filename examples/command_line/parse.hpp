// What every program with options shares: the text of its faults, checked numbers, reading a line.
//
//   CLI::App app{"Trains a model."};
//   app.add_option("--steps", steps, "training steps")->check(command_line::whole_number(1))->capture_default_str();
//   if (!command_line::parse(app, argc, argv, status)) return status;
//
// CLI11 reports a wrong line by an exception, so these programs are built with exceptions; nothing else throws here.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "command_line/words.hpp"

namespace command_line {

inline CLI::Validator whole_number(std::uint64_t least,
                                   std::uint64_t most = (std::numeric_limits<std::uint64_t>::max)()) {
  return CLI::Validator([=](std::string& text) { return whole_number_problem(text, least, most); }, "");
}
inline CLI::Validator positive_number() {
  return CLI::Validator([](std::string& text) { return positive_number_problem(text); }, "");
}

// True when the program should go on; else `status` is its exit status, and why has been printed. `finish` looks at
// what was read and throws CLI::ValidationError(option, problem) where options do not go together.
inline bool parse(
    CLI::App& app, int count, const char* const* words, int& status, const std::function<void()>& finish = [] {}) {
  try {
    app.parse(count, words);
    finish();
    return true;
  } catch (const CLI::ParseError& error) {
    status = app.exit(error) == 0 ? 0 : 1;
    return false;
  }
}

}  // namespace command_line
