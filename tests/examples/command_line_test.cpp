// What the demonstration reads and prints at a shell. The quoting is held against the shell itself.
#include <doctest/doctest.h>

#include <cstdio>

#include "command_line/words.hpp"

namespace {

// What /bin/sh makes of a word.
std::string echoed(const std::string& word) {
  std::FILE* shell = ::popen(("printf %s " + word).c_str(), "r");
  std::string text;
  char buffer[256];
  if (shell == nullptr) return text;
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, shell)) > 0;) text.append(buffer, n);
  ::pclose(shell);
  return text;
}

}  // namespace

TEST_CASE("a quoted word comes back from the shell as it was") {
  for (const char* word :
       {"plain", "my ratings.csv", "it's", "$HOME", "a\"b", "`date`", "*", "a;b", "--rate=1e-3", "\\", "x\ny"})
    CHECK(echoed(command_line::shell_quoted(word)) == word);
  CHECK(command_line::shell_quoted("data/ml-1m") == "data/ml-1m");
  CHECK(command_line::shell_quoted("") == "''");
}

TEST_CASE("numbers of the command line: everything that is none gets a message") {
  CHECK(command_line::whole_number_problem("0", 0).empty());
  CHECK(command_line::whole_number_problem("18446744073709551615", 0).empty());
  for (const char* bad : {"-1", "", "abc", "1.5", "1 ", " 1", "+1", "18446744073709551616", "nan"})
    CHECK(!command_line::whole_number_problem(bad, 0).empty());
  CHECK(command_line::whole_number_problem("0", 1) == "expected a whole number from 1 on, found \"0\"");
  CHECK(command_line::whole_number_problem("300", 1, 256) == "expected a whole number from 1 to 256, found \"300\"");
  for (const char* good : {"1", "1e-3", "0.5", "5e-324"}) CHECK(command_line::positive_number_problem(good).empty());
  for (const char* bad : {"0", "-1", "nan", "inf", "1e999", "", "x", "0,5"})
    CHECK(!command_line::positive_number_problem(bad).empty());
}
