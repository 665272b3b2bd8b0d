// Kernels that move or sum numbers by strides: transposes, slices, stretching, and sums over any axes.
//
//   const grid::Axes axes = grid::Axes::of(dims, strides);     // axes that run on are joined
//   device.each(n, grid::StridedCopy<float>{axes, x, y});
//
// Sums are taken by teams in a fixed order, so that they are the same from run to run. Not for matrix products.
#pragma once

#include "thaw/backend/cuda/grid.hpp"
#include "thaw/core/shape.hpp"

namespace thaw::inline v0::grid {

// Positions of a row-major walk over `dims`, and where each lies on two strided sides.
struct Axes {
  int rank = 0;
  Index size = 1;
  Index dims[Shape::kMaxRank] = {}, from[Shape::kMaxRank] = {}, to[Shape::kMaxRank] = {};

  // Adds an axis inside those before; joins it with the last one where both sides run on.
  void push(Index dim, Index from_stride, Index to_stride) {
    size *= dim;
    if (dim == 1) return;
    if (rank > 0 && from[rank - 1] == from_stride * dim && to[rank - 1] == to_stride * dim) {
      dims[rank - 1] *= dim;
      from[rank - 1] = from_stride;
      to[rank - 1] = to_stride;
      return;
    }
    dims[rank] = dim;
    from[rank] = from_stride;
    to[rank++] = to_stride;
  }
  // All axes of `dims`: one side has the strides given, the other is contiguous.
  static Axes of(const Shape& shape, const Index* strides) {
    Axes axes;
    Index inside = shape.size();
    for (int a = 0; a < shape.rank; ++a) {
      inside = shape[a] == 0 ? 0 : inside / shape[a];
      axes.push(shape[a], strides[a], inside);
    }
    return axes;
  }

  struct Place {
    Index from, to;
  };
  THAW_HOST_DEVICE Place place(Index i) const {
    Place p{0, 0};
    for (int a = rank - 1; a > 0; --a) {
      const Index left = quotient(i, dims[a]), at = i - left * dims[a];
      p.from += at * from[a];
      p.to += at * to[a];
      i = left;
    }
    if (rank > 0) {
      p.from += i * from[0];
      p.to += i * to[0];
    }
    return p;
  }
};

// y (contiguous) = x by strides.
template <class R>
struct StridedCopy {
  Axes axes;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const { y[i] = x[axes.place(i).from]; }
};
// y by strides += x (contiguous); no place of y twice.
template <class R>
struct StridedAdd {
  Axes axes;
  const R* x;
  R* y;
  THAW_HOST_DEVICE void operator()(Index i) const {
    R& to = y[axes.place(i).from];
    to = to + x[i];
  }
};

// Sums over the axes that y lacks: y[kept] += the sum over `summed` of x, or, with several chunks, partial sums to
// y[chunk * kept.size + k]. For kept axes `from` is the stride in y and `to` that in x; for summed ones `to` is in x.
// Index: a team of T threads for each (chunk, kept).
template <class R, int T>
struct StridedSum {
  using Fold = TeamFold<R>;
  struct Shared {
    Fold fold;
  };
  using State = Nothing;
  Axes kept, summed;
  Index chunk, chunks;  // numbers of a chunk, chunks
  const R* x;
  R* y;

  THAW_HOST_DEVICE int phases(Index) const { return T == 1 ? 1 : 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    const RowOfTeam<T> team(t);
    const bool inside = team.row < kept.size * chunks;
    if (p == 0) {
      const R sum = inside ? of(team.row, team.lane) : R(0);
      if constexpr (T == 1) {
        if (inside) write(team.row, sum);
      } else {
        shared.fold.part[t.thread] = sum;
      }
    }
    if constexpr (T > 1) {
      if (p == 1) shared.fold.template halve<T, Plus>(t.thread);
      if (p == 2 && inside && team.lane == 0) write(team.row, shared.fold.template result<T, Plus>(t.thread));
    }
  }

 private:
  THAW_HOST_DEVICE R of(Index row, int lane) const {
    const Index part = quotient(row, kept.size), start = kept.place(row - part * kept.size).to;
    const Index begin = part * chunk, end = begin + chunk < summed.size ? begin + chunk : summed.size;
    R sum = 0;
    for (Index s = begin + lane; s < end; s += T) sum += x[start + summed.place(s).to];
    return sum;
  }
  THAW_HOST_DEVICE void write(Index row, R sum) const {
    if (chunks > 1) {
      y[row] = sum;
      return;
    }
    R& to = y[kept.place(row).from];
    to = to + sum;
  }
};

// y[kept] += the partial sums of all chunks, in their order.
template <class R>
struct AddChunks {
  Axes kept;
  Index chunks;
  const R* parts;  // (chunks, kept)
  R* y;
  THAW_HOST_DEVICE void operator()(Index k) const {
    R sum = 0;
    for (Index c = 0; c < chunks; ++c) sum += parts[c * kept.size + k];
    R& to = y[kept.place(k).from];
    to = to + sum;
  }
};

// Partial sums of squares, in double: block b has the numbers b * share .. (b + 1) * share.
template <class R>
struct SquareSums {
  struct Shared {
    TeamFold<double> fold;
  };
  using State = Nothing;
  Index n, share;
  const R* x;
  double* parts;

  THAW_HOST_DEVICE int phases(Index) const { return 3; }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State&) const {
    if (p == 0) {
      const Index begin = t.block * share, end = begin + share < n ? begin + share : n;
      double sum = 0;
      for (Index i = begin + t.thread; i < end; i += kGridThreads)
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      shared.fold.part[t.thread] = sum;
    } else if (p == 1) {
      shared.fold.template halve<kGridThreads, Plus>(t.thread);
    } else if (t.thread == 0) {
      parts[t.block] = shared.fold.template result<kGridThreads, Plus>(t.thread);
    }
  }
};

}  // namespace thaw::inline v0::grid
