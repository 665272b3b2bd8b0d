// What the timing programs share: medians, this machine's peak of fused multiply-adds, one JSON line a case.
//
//   const bench::Times t = bench::times(/*steps*/ 9, /*seconds*/ 2, [&] { trainer.step(packer); });
//   bench::print("hire", "train batch 8", threads, t, flop);
//
// Not Google Benchmark: the programs are run in turn with others in Python, and the lines are read together.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "thaw/backend/kernels/isa.hpp"

namespace bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Times {
  double median = 0, fastest = 0;  // seconds
  int count = 0;
};

// Times `call` at least `least` times and for about `seconds`, after two calls that do not count.
template <class Call>
Times times(int least, double seconds, Call call) {
  call();
  call();
  std::vector<double> all;
  for (const double end = now() + seconds; static_cast<int>(all.size()) < least || now() < end;) {
    const double start = now();
    call();
    all.push_back(now() - start);
  }
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all.front(), static_cast<int>(all.size())};
}

namespace detail {

constexpr int kChains = 12, kSteps = 100000;

// Twelve independent chains of multiply-adds that stay in registers: nothing but the units themselves is slow here.
#define THAW_BENCH_CHAINS(name, target, bytes)                                   \
  target __attribute__((noinline)) inline float name(float factor, float term) { \
    typedef float Vector __attribute__((vector_size(bytes), aligned(4)));        \
    Vector sum[kChains], times = Vector{} + factor, plus = Vector{} + term;      \
    for (int i = 0; i < kChains; ++i) sum[i] = Vector{} + static_cast<float>(i); \
    for (int step = 0; step < kSteps; ++step) {                                  \
      THAW_UNROLL                                                                \
      for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * times + plus;          \
    }                                                                            \
    THAW_UNROLL                                                                  \
    for (int i = 1; i < kChains; ++i) sum[0] += sum[i];                          \
    return sum[0][0];                                                            \
  }
#if THAW_X86_KERNELS
THAW_BENCH_CHAINS(chains_avx512, THAW_TARGET_AVX512, 64)
THAW_BENCH_CHAINS(chains_avx2, THAW_TARGET_AVX2, 32)
#endif
THAW_BENCH_CHAINS(chains_portable, , 16)
#undef THAW_BENCH_CHAINS

}  // namespace detail

// FLOP/s of one thread that only multiplies and adds, with the widest vectors there are: what 100 % stands for.
inline double peak() {
  float (*chains)(float, float) = detail::chains_portable;
  int lanes = 4;
#if THAW_X86_KERNELS
  const thaw::Isa isa = thaw::detect_isa();
  if (isa == thaw::Isa::avx512) chains = detail::chains_avx512, lanes = 16;
  if (isa == thaw::Isa::avx2) chains = detail::chains_avx2, lanes = 8;
#endif
  volatile float kept = 0;
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    const double start = now();
    kept = chains(0.5F, 0.25F);
    best = (std::min)(best, now() - start);
  }
  (void)kept;
  return 2.0 * detail::kChains * detail::kSteps * lanes / best;
}

// One case. `flop`: operations that the mathematics needs, 0 where nobody counted; `all_peak`: of all its threads.
inline void print(const char* workload, const char* side, int threads, const Times& t, double flop = 0,
                  double all_peak = 0) {
  std::printf("{\"case\": \"%s\", \"side\": \"%s\", \"threads\": %d, \"ms\": %.6g, \"ms_min\": %.6g, \"steps\": %d",
              workload, side, threads, 1e3 * t.median, 1e3 * t.fastest, t.count);
  if (flop > 0) std::printf(", \"gflop_per_s\": %.4g", 1e-9 * flop / t.median);
  if (flop > 0 && all_peak > 0) std::printf(", \"share_of_peak\": %.3f", flop / t.median / all_peak);
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace bench
