// A tiled matrix product for what BLAS has no call for: two levels of batches, any strides, ragged batches, tiny sizes.
//
//   device.blocks(places.blocks(), grid::TiledProduct<float, grid::GridPlaces<float>>{places});
//
// A block computes 32 x 32 numbers of one product of the batch; `Where` says which. Not for large single products:
// those go to the vendor's library (blas_call.hpp).
#pragma once

#include "thaw/backend/cuda/grid.hpp"
#include "thaw/backend/product_shape.hpp"

namespace thaw::inline v0::grid {

inline constexpr int kTile = 32;
THAW_HOST_DEVICE constexpr Index tiles_of(Index n) { return (n + kTile - 1) / kTile; }

// One tile: C = alpha A B + bias, or C += A B. The bias of number (i, j) is bias[i * bias_row + j * bias_column].
template <class R>
struct ProductPlace {
  const R *a, *b;
  R* c;
  Index rows, columns, inner;
  Index a_row, a_inner, b_inner, b_column, c_row;
  Index top, left;  // of the tile
  R alpha = 1;
  const R* bias = nullptr;
  Index bias_row = 0, bias_column = 1;
  bool accumulate = false;
};

template <class R, class Where>
struct TiledProduct {
  struct Shared {
    R a[kTile][kTile + 1], b[kTile][kTile + 1];  // (inner, rows), (inner, columns)
  };
  static constexpr int kSums = kTile * kTile / kGridThreads;
  static constexpr int kTall = kGridThreads / kTile;  // rows that the threads of a block cover at once
  struct State {
    ProductPlace<R> at;
    R sum[kSums];
  };
  Where where;

  THAW_HOST_DEVICE int phases(Index block) const {
    const Index chunks = tiles_of(where.place(block).inner);
    return 2 * static_cast<int>(chunks > 0 ? chunks : 1);
  }
  THAW_HOST_DEVICE void phase(int p, GridThread t, Shared& shared, State& own) const {
    if (p == 0) {
      own.at = where.place(t.block);
      for (int i = 0; i < kSums; ++i) own.sum[i] = R(0);
    }
    if (p % 2 == 0) return load(p / 2 * kTile, t.thread, shared, own.at);
    for (int k = 0; k < kTile; ++k)
      for (int i = 0; i < kSums; ++i)
        own.sum[i] += shared.a[k][t.thread / kTile + i * kTall] * shared.b[k][t.thread % kTile];
    if (p / 2 * kTile + kTile >= own.at.inner) write(t.thread, own);
  }

 private:
  // Neighbouring threads read neighbouring numbers, whichever way a matrix is stored.
  THAW_HOST_DEVICE static void load(Index begin, int thread, Shared& shared, const ProductPlace<R>& at) {
    const bool a_by_inner = at.a_inner < at.a_row, b_by_inner = at.b_inner < at.b_column;
    for (int i = 0; i < kSums; ++i) {
      const int fast = thread % kTile, slow = thread / kTile + i * kTall;
      const int ak = a_by_inner ? fast : slow, row = a_by_inner ? slow : fast;
      const bool a_inside = begin + ak < at.inner && at.top + row < at.rows;
      shared.a[ak][row] = a_inside ? at.a[(at.top + row) * at.a_row + (begin + ak) * at.a_inner] : R(0);
      const int bk = b_by_inner ? fast : slow, column = b_by_inner ? slow : fast;
      const bool b_inside = begin + bk < at.inner && at.left + column < at.columns;
      shared.b[bk][column] = b_inside ? at.b[(begin + bk) * at.b_inner + (at.left + column) * at.b_column] : R(0);
    }
  }
  THAW_HOST_DEVICE static void write(int thread, const State& own) {
    const ProductPlace<R>& at = own.at;
    const Index column = at.left + thread % kTile;
    if (column >= at.columns) return;
    for (int i = 0; i < kSums; ++i) {
      const Index row = at.top + thread / kTile + i * kTall;
      if (row >= at.rows) continue;
      R& to = at.c[row * at.c_row + column];
      R value = at.alpha * own.sum[i];
      if (at.bias != nullptr) value += at.bias[row * at.bias_row + column * at.bias_column];
      to = at.accumulate ? to + value : value;
    }
  }
};

// The products of a ProductGrid, tile by tile.
template <class R>
struct GridPlaces {
  ProductShape s;
  ProductGrid grid;
  const R *a, *b;
  R* c;
  const R* bias;

  Index blocks() const { return grid.outer * grid.inner * s.batch * tiles_of(s.rows) * tiles_of(s.columns); }
  THAW_HOST_DEVICE ProductPlace<R> place(Index block) const {
    const Index wide = tiles_of(s.columns), tall = tiles_of(s.rows);
    Index rest = quotient(block, wide);
    const Index left = (block - rest * wide) * kTile;
    block = rest;
    rest = quotient(block, tall);
    const Index top = (block - rest * tall) * kTile;
    block = rest;
    rest = quotient(block, s.batch);
    const Index k = block - rest * s.batch, o = quotient(rest, grid.inner), i = rest - o * grid.inner;
    ProductPlace<R> at;
    at.a = a + o * grid.a_outer + i * grid.a_inner + k * s.a_batch_stride;
    at.b = b + o * grid.b_outer + i * grid.b_inner + k * s.b_batch_stride;
    at.c = c + o * grid.c_outer + i * grid.c_inner + k * s.c_batch_stride;
    at.rows = s.rows, at.columns = s.columns, at.inner = s.inner;
    at.a_row = s.a_row_stride, at.a_inner = s.a_inner_stride;
    at.b_inner = s.b_inner_stride, at.b_column = s.b_column_stride;
    at.c_row = s.c_row_stride;
    at.top = top, at.left = left;
    at.bias = s.accumulate ? nullptr : bias;
    at.accumulate = s.accumulate;
    return at;
  }
};

}  // namespace thaw::inline v0::grid
