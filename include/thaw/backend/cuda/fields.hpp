// Kernels of click models and of choosing tokens: the pairwise sum of a factorisation machine, and the largest number
// of a row.
//
//   device.blocks(grid::blocks_of_rows<32>(rows), grid::PairwiseSum<float>{rows, fields, width, x, y});
//
// A team of 32 threads has a row. Look-ups of fields: lookup.hpp.
#pragma once

#include "thaw/backend/cuda/grid.hpp"

namespace thaw::inline v0::grid {

// y[row] = (|sum of the vectors|^2 - sum of |vector|^2) / 2; x (rows, fields, width).
template <class R>
struct PairwiseSum {
  struct Shared {
    TeamFold<R> fold;
  };
  using State = Nothing;
  Index rows, fields, width;
  const R* x;
  R* y;

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const RowOfTeam<32> team(t);
    const bool inside = team.row < rows;
    if (p == 0) {
      R mine = 0;
      for (Index j = team.lane; inside && j < width; j += 32) {
        R sum = 0, squares = 0;
        for (Index f = 0; f < fields; ++f) {
          const R v = x[(team.row * fields + f) * width + j];
          sum += v;
          squares += v * v;
        }
        mine += sum * sum - squares;
      }
      shared.fold.part[t.thread] = mine;
    } else if (p == 1) {
      shared.fold.template halve<32, Plus>(t.thread);
    } else if (inside && team.lane == 0) {
      y[team.row] = shared.fold.template result<32, Plus>(t.thread) / R(2);
    }
  }
};
// Its gradient: d[row, field] = g[row] (sum of the row's vectors - this one); one thread a row and column.
template <class R>
struct PairwiseSlope {
  Index fields, width;
  const R *g, *x;
  R* d;
  THAW_HOST_DEVICE void operator()(Index i) const {
    const Index row = quotient(i, width), start = row * fields * width + (i - row * width);
    R sum = 0;
    for (Index f = 0; f < fields; ++f) sum += x[start + f * width];
    for (Index f = 0; f < fields; ++f) d[start + f * width] = g[row] * (sum - x[start + f * width]);
  }
};

// The column of the largest number of each row, the first of equal ones.
template <class R>
struct LargestColumn {
  struct Place {
    R value;
    Index column;  // -1: none yet
  };
  struct Shared {
    Place part[kGridThreads];
    Place middle[kGridThreads / 16];
  };
  using State = Nothing;
  Index columns;
  const R* x;
  std::int32_t* y;

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) {
      Place best{R(0), -1};
      for (Index j = t.thread; j < columns; j += kGridThreads) best = better(best, {x[t.block * columns + j], j});
      shared.part[t.thread] = best;
    } else if (p == 1) {
      if (t.thread < kGridThreads / 16) shared.middle[t.thread] = fold(shared.part + 16 * t.thread, 16);
    } else if (t.thread == 0) {
      y[t.block] = static_cast<std::int32_t>(fold(shared.middle, kGridThreads / 16).column);
    }
  }

 private:
  THAW_HOST_DEVICE static Place better(Place a, Place b) {
    if (a.column < 0) return b;
    if (b.column < 0 || a.value > b.value) return a;
    return b.value > a.value || b.column < a.column ? b : a;
  }
  THAW_HOST_DEVICE static Place fold(const Place* from, int count) {
    Place best = from[0];
    for (int i = 1; i < count; ++i) best = better(best, from[i]);
    return best;
  }
};

}  // namespace thaw::inline v0::grid
