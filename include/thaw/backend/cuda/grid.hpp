// Kernels as plain functions of a block and a thread, so that the host runs in a test what a GPU runs in earnest.
//
//   struct RowSums {                                            // a kernel over blocks
//     struct Shared { float part[kGridThreads]; };              // seen by the threads of a block
//     struct State { float sum; };                              // a thread's own, kept between phases
//     THAW_HOST_DEVICE int phases(Index) const { return 2; }
//     THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State& own) const;
//   };
//
// Between two phases stands a barrier of the block: what one thread writes to `Shared` in a phase another may read in
// the next, and nowhere else. A kernel without any of that is a function of an index: `void operator()(Index i) const`.
// Not a language for GPUs: no warps, no shuffles, no atomics, whose order of sums would change from run to run.
#pragma once

#include "thaw/core/config.hpp"

namespace thaw::inline v0::grid {

inline constexpr int kGridThreads = 256;  // of a block

struct GridThread {
  Index block;
  int thread;
};

struct Nothing {};  // the Shared or State of a kernel without one

// a / b for numbers that are not negative: in 32 bits where they fit, which costs a GPU a fifth.
THAW_HOST_DEVICE inline Index quotient(Index a, Index b) {
  if (((a | b) >> 31) == 0) return static_cast<Index>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b));
  return a / b;
}

// Threads in teams of T, each of which sums (or otherwise folds) one number of every thread in a fixed order:
//   fold.part[thread] = mine;          barrier
//   fold.halve<T, Op>(thread);         barrier
//   x = fold.result<T, Op>(thread);
template <class R>
struct TeamFold {
  R part[kGridThreads];
  R middle[kGridThreads / 16];

  template <int T, class Op>
  THAW_HOST_DEVICE void halve(int thread) {
    constexpr int kRuns = T / 16;
    const int lane = thread % T, team = thread / T;
    if (lane >= kRuns) return;
    const R* const from = part + team * T + lane * 16;
    R value = from[0];
    for (int i = 1; i < 16; ++i) value = Op::value(value, from[i]);
    middle[team * kRuns + lane] = value;
  }
  template <int T, class Op>
  THAW_HOST_DEVICE R result(int thread) const {
    constexpr int kRuns = T / 16;
    const R* const from = middle + thread / T * kRuns;
    R value = from[0];
    for (int i = 1; i < kRuns; ++i) value = Op::value(value, from[i]);
    return value;
  }
};

struct Plus {
  template <class R>
  THAW_HOST_DEVICE static R value(R a, R b) {
    return a + b;
  }
};
struct Larger {
  template <class R>
  THAW_HOST_DEVICE static R value(R a, R b) {
    return b > a ? b : a;
  }
};

// A team of T threads for each row: T is 32 for rows of up to kWideRow numbers, else a whole block.
inline constexpr Index kWideRow = 2048;
template <int T>
struct RowOfTeam {
  Index row;
  int lane;
  THAW_HOST_DEVICE explicit RowOfTeam(GridThread t)
      : row(t.block * (kGridThreads / T) + t.thread / T), lane(t.thread % T) {}
};
// Blocks for `rows` teams.
template <int T>
constexpr Index blocks_of_rows(Index rows) {
  return (rows + kGridThreads / T - 1) / (kGridThreads / T);
}

}  // namespace thaw::inline v0::grid
