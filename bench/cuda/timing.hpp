// Timings of a GPU: medians between events of one stream, one JSON line a case.
//
//   bench::CudaTimer timer(session.device().stream());
//   bench::print_cuda("softmax", "thaw", timer.median([&] { ... }), bytes, flop);
//
// Times by the device's own clock, after calls that do not count. A call is everything between two events: launches,
// copies of ids and the host's part of a step where the device waits for it.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace bench {

class CudaTimer {
 public:
  explicit CudaTimer(cudaStream_t stream) : stream_(stream) {
    cudaEventCreate(&begin_);
    cudaEventCreate(&end_);
  }
  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;
  ~CudaTimer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  // Seconds of one call.
  template <class Call>
  double median(const Call& call, int times = 30, int before = 5) const {
    for (int i = 0; i < before; ++i) call();
    std::vector<double> all;
    for (int i = 0; i < times; ++i) {
      cudaEventRecord(begin_, stream_);
      call();
      cudaEventRecord(end_, stream_);
      cudaEventSynchronize(end_);
      float milliseconds = 0;
      cudaEventElapsedTime(&milliseconds, begin_, end_);
      all.push_back(1e-3 * static_cast<double>(milliseconds));
    }
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// `bytes` and `flop`: the least that the mathematics moves and computes; 0 where nobody counted.
inline void print_cuda(const char* workload, double seconds, double bytes = 0, double flop = 0) {
  std::printf("{\"case\": \"%s\", \"side\": \"thaw\", \"ms\": %.6g", workload, 1e3 * seconds);
  if (bytes > 0) std::printf(", \"gb_per_s\": %.5g", 1e-9 * bytes / seconds);
  if (flop > 0) std::printf(", \"gflop_per_s\": %.5g", 1e-9 * flop / seconds);
  std::printf("}\n");
  std::fflush(stdout);
}

// The same for work of so many units, such as users or samples.
inline void print_rate(const char* workload, double seconds, double units, double flop = 0) {
  std::printf("{\"case\": \"%s\", \"side\": \"thaw\", \"ms\": %.6g, \"per_s\": %.6g", workload, 1e3 * seconds,
              units / seconds);
  if (flop > 0) std::printf(", \"gflop_per_s\": %.5g", 1e-9 * flop / seconds);
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace bench
