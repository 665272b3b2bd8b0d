// The main of the tests that several processes run together: all run the same cases in the same order, the first
// prints.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/distributed/processes/world.hpp"

namespace {
const thaw::MpiCommunicator* communicator = nullptr;
}

const thaw::MpiCommunicator& processes_test::world() { return *communicator; }

int main(int argc, char** argv) {
  auto started = thaw::MpiCommunicator::start();
  if (!started) {
    std::fputs(started.fault().text, stderr);
    return 1;
  }
  communicator = &started.value();
  doctest::Context context;
  context.applyCommandLine(argc, argv);
  context.setOption("no-colors", true);  // mpirun makes it look like a terminal
  if (communicator->rank() > 0) context.setOption("minimal", true);
  int status = context.run();
  // Every rank's cases count: one that fails in any rank fails in all.
  double failed = status;
  if (!communicator->all_reduce_sum(&failed, 1)) failed = 1;
  started.value().finish();
  return failed != 0 ? 1 : 0;
}
