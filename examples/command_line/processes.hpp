// Processes: the ranks of a program that may have been started by mpirun.
//
//   auto processes = command_line::Processes::start();
//   if (!processes) return complain(processes.fault().text);
//   const int status = run(options, processes.value().ranks());
//   return processes.value().finish(status);
//
// Started without mpirun it is one process, and MPI is not even woken. Only the first rank prints to stdout.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "thaw/distributed/communicator.hpp"
#if defined(THAW_HAS_MPI)
#include "thaw/distributed/mpi_communicator.hpp"
#endif

namespace command_line {

// How many processes a starter of MPI programs says it started; 0 where none did.
inline int launched_processes() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* value = std::getenv(name); value != nullptr) return std::atoi(value);
  return std::getenv("PMIX_RANK") != nullptr ? 2 : 0;  // srun --mpi=pmix says which, but not of how many
}

class Processes {
 public:
  // Errors: MPI does not start, or this program was built without it.
  static thaw::Result<Processes> start() {
    Processes processes;
    const int launched = launched_processes();
#if defined(THAW_HAS_MPI)
    if (launched == 0) return processes;
    auto world = thaw::MpiCommunicator::start();
    if (!world) return world.fault();
    processes.world_.emplace(std::move(world.value()));
    if (processes.world_->rank() > 0 && std::freopen("/dev/null", "w", stdout) == nullptr)
      return thaw::make_fault(thaw::FaultKind::unreadable, "/dev/null cannot be opened");
#else
    if (launched > 1)
      return thaw::make_fault(thaw::FaultKind::unsupported, "started as ", launched,
                              " processes, but built without MPI: each would train alone and write over the others; "
                              "build again with MPI (on Debian or Ubuntu: apt-get install libopenmpi-dev openmpi-bin)");
#endif
    return processes;
  }

  // Valid while this object stays where it is.
  thaw::CommunicatorRef ranks() const {
#if defined(THAW_HAS_MPI)
    if (world_) return thaw::CommunicatorRef(*world_);
#endif
    return {};
  }
  // The end of main. A rank that failed alone (any status up to 127) ends the others: they would wait for it. What ends
  // by a signal ends in all ranks after the same step.
  int finish(int status) {
#if defined(THAW_HAS_MPI)
    if (world_ && (status == 0 || status > 127)) world_->finish();
#endif
    return status;
  }

 private:
#if defined(THAW_HAS_MPI)
  std::optional<thaw::MpiCommunicator> world_;
#endif
};

}  // namespace command_line
