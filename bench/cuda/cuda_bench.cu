// Timings of the CUDA backend, one JSON line a case; bench/run_cuda.sh puts them beside PyTorch.
//
//   thaw_cuda_bench [kernels] [hire] [lightgcn] [t5] [deepfm] [hyperrs]      no name: all of them
//
// Exit status 77 where this machine has no device.
#include <cstdio>
#include <cstring>

#include "cuda/cases.hpp"

int main(int argc, char** argv) {
  auto session = thaw::CudaSession::open({.reserve = std::size_t(2) << 30});
  if (!session) {
    const thaw::Fault fault = session.fault();
    std::fprintf(stderr, "skipped: %s\n", fault.text);
    return 77;
  }
  const auto wanted = [&](const char* name) {
    for (int i = 1; i < argc; ++i)
      if (std::strcmp(argv[i], name) == 0) return true;
    return argc < 2;
  };
  if (wanted("kernels")) bench::time_kernels(session.value());
  if (wanted("hire")) bench::time_hire(session.value());
  if (wanted("lightgcn")) bench::time_propagation(session.value());
  if (wanted("t5")) bench::time_t5(session.value());
  if (wanted("deepfm")) bench::time_deepfm(session.value());
  if (wanted("hyperrs")) bench::time_hyperrs(session.value());
  return 0;
}
