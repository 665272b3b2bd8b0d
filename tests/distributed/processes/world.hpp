// The ranks that mpirun started this test program with.
#pragma once

#include "thaw/distributed/mpi_communicator.hpp"

namespace processes_test {

const thaw::MpiCommunicator& world();

}  // namespace processes_test
