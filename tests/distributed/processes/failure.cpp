// One rank fails while the others wait for it. failures.sh starts it and looks at how it ends.
//   failure <how>: fault, return, exit, kill, shape
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "thaw/distributed/mpi_communicator.hpp"

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  const auto is = [&](const char* name) { return std::strcmp(how, name) == 0; };
  auto started = thaw::MpiCommunicator::start();
  if (!started) return 1;
  const thaw::CommunicatorRef ranks(started.value());
  std::vector<float> numbers(10000, 1.0F);
  for (int step = 0; step < 1000; ++step) {
    if (step == 3 && ranks.rank() == 1) {
      if (is("fault")) ranks.stop_all(thaw::make_fault(thaw::FaultKind::out_of_range, "step 3: the loss is nan"));
      if (is("return")) return 1;
      if (is("exit")) ::_exit(7);
      if (is("kill")) ::kill(::getpid(), SIGKILL);
      // Fewer numbers than the others: MPI notices that a message does not fit.
      if (is("shape")) numbers.resize(10);
    }
    ranks.need(ranks.all_reduce_sum(numbers.data(), static_cast<thaw::Index>(numbers.size())));
    for (float& x : numbers) x = 1.0F;
  }
  started.value().finish();
  std::printf("rank %d reached the end\n", ranks.rank());
  return 0;
}
