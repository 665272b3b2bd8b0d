// How a (batched, strided) matrix product is cut into blocks and over threads.
//
//   ProductShape shape = row_major_product(4096, 64, 64);   // C (4096, 64) = A (4096, 64) x B (64, 64)
//
// Not the kernels: those are in product_tiles.hpp.
#pragma once

#include <algorithm>

#include "thaw/backend/product_shape.hpp"
#include "thaw/core/config.hpp"

namespace thaw::inline v0 {

// All three operands dense and row-major; with a batch, one matrix after another.
constexpr ProductShape row_major_product(Index rows, Index columns, Index inner, Index batch = 1) {
  return {.batch = batch,
          .rows = rows,
          .columns = columns,
          .inner = inner,
          .a_row_stride = inner,
          .a_inner_stride = 1,
          .a_batch_stride = rows * inner,
          .b_inner_stride = columns,
          .b_column_stride = 1,
          .b_batch_stride = inner * columns,
          .c_row_stride = columns,
          .c_batch_stride = rows * columns,
          .accumulate = false};
}

namespace detail {

namespace product_blocks {
// A packed block of B, (256, 512) floats, takes half of a 1 MiB second-level cache; a tile of A stays in the first.
inline constexpr Index kInner = 256;
inline constexpr Index kColumns = 512;
inline constexpr Index kPadding = 64;       // packed panels are filled up to whole registers
inline constexpr Index kRowsOfTile = 16;    // at least the rows of any tile
inline constexpr Index kDotInner = 512;     // of dot products: a few columns and rows stay in the first-level cache
inline constexpr Index kDotRows = 64;       // at most, for packing not to pay
inline constexpr Index kDotPadding = 16;    // between rows of A, so that they do not share sets of the cache
inline constexpr double kThreadWork = 1e6;  // operations below which a second thread costs more than it brings
}  // namespace product_blocks

enum class ProductSplit : std::uint8_t { none, batch, rows, columns, inner };

// Few rows times a matrix that is stored by column: see product_dots.hpp.
inline bool dots_fit(const ProductShape& s) {
  return s.batch == 1 && s.rows > 1 && s.rows <= product_blocks::kDotRows && s.columns >= 128 && s.inner >= 256 &&
         s.a_inner_stride == 1 && s.b_inner_stride == 1 && s.b_column_stride > 1;
}

// Whether threads that share the columns have less to pack than threads that share the rows. With shared rows each
// packs all of B, which comes from farther away than A; with shared columns each packs all of A, once a block of
// columns.
inline bool columns_pack_less(const ProductShape& s, int threads) {
  const auto blocks = [](Index columns) { return (columns + product_blocks::kColumns - 1) / product_blocks::kColumns; };
  const Index part = s.columns / threads;
  return part >= 128 && s.rows * blocks(part) + 2 * part < s.rows / threads * blocks(s.columns) + 2 * s.columns;
}

inline ProductSplit product_split(const ProductShape& s, int threads) {
#if defined(_OPENMP)
  const double work = 2.0 * static_cast<double>(s.batch) * static_cast<double>(s.rows) *
                      static_cast<double>(s.columns) * static_cast<double>(s.inner);
  if (threads < 2 || work < product_blocks::kThreadWork) return ProductSplit::none;
  if (s.batch >= threads) return ProductSplit::batch;
  if (s.batch > 1) return ProductSplit::none;
  const Index larger = (std::max)(s.rows, s.columns);
  if (s.inner >= 8 * larger && s.inner >= 512 * threads) return ProductSplit::inner;
  if (dots_fit(s)) return ProductSplit::columns;
  if (columns_pack_less(s, threads)) return ProductSplit::columns;
  if (s.rows >= 12 * threads && 4 * s.rows >= s.columns) return ProductSplit::rows;
  if (s.columns >= 32 * threads) return ProductSplit::columns;
  if (s.rows >= 4 * threads) return ProductSplit::rows;
  return ProductSplit::none;
#else
  (void)s;
  (void)threads;
  return ProductSplit::none;
#endif
}

// What a register tile needs besides its pointers.
struct TileJob {
  Index inner, a_row, a_inner, b_inner, c_row;
  Index last;     // columns in the last register of the tile, 1 to all
  bool add_to_c;  // start from C instead of zero
};

}  // namespace detail

}  // namespace thaw::inline v0
