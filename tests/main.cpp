// The main of every test program. Besides doctest's own options:
//   --quick   leave out the slow test cases (name contains "[slow]", or in the test suite "slow")
//   --slow    only those
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

namespace {

enum class Part { all, quick, slow_suite, slow_names };

int run(int argc, char** argv, Part part) {
  doctest::Context context;
  if (part == Part::quick) {
    context.addFilter("test-case-exclude", "*[slow]*");
    context.addFilter("test-suite-exclude", "slow");
  } else if (part == Part::slow_suite) {
    context.addFilter("test-suite", "slow");
  } else if (part == Part::slow_names) {
    context.addFilter("test-case", "*[slow]*");
    context.addFilter("test-suite-exclude", "slow");
  }
  context.applyCommandLine(argc, argv);
  return context.run();
}

bool take(int& argc, char** argv, const char* option) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], option) != 0) continue;
    for (int j = i; j + 1 < argc; ++j) argv[j] = argv[j + 1];
    --argc;
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (take(argc, argv, "--quick")) return run(argc, argv, Part::quick);
  if (take(argc, argv, "--slow")) {
    const int suite = run(argc, argv, Part::slow_suite);
    const int names = run(argc, argv, Part::slow_names);
    return suite != 0 || names != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
  }
  return run(argc, argv, Part::all);
}
