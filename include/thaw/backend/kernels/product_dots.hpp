// A few rows times a matrix that is stored column by column, without packing.
// Included by product.hpp for each instruction set; empty otherwise.
//
// Both operands are contiguous over the inner size: each column is read once
// from memory, in order, and tiles of rows and columns are dot products of
// registers. Where a matrix of weights is met by fewer rows than would pay for
// rearranging it, this runs at the speed of reading it.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/product_types.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

#define THAW_KERNEL THAW_KERNEL_TARGET inline

// As many sums in a tile as a register has lanes, so that one register takes
// them all in the end.
template <class Real>
struct DotTile {
  static constexpr int kLanes = Lanes<Real>::kCount;
  static constexpr int kColumns = kLanes >= 8 ? 4 : 2, kRows = kLanes / kColumns;
};

// out[r, j] = dot(row r of A, column j of B) over `inner`; lines beyond the
// last are given as the last once more.
template <class Real>
THAW_KERNEL void dot_block(Index inner, const Real* const* a, const Real* const* b, Real* out) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr int kLanes = DotTile<Real>::kLanes, kRows = DotTile<Real>::kRows, kColumns = DotTile<Real>::kColumns;
  Vector sums[kLanes] = {};
  const Index whole = inner / kLanes * kLanes, rest = inner - whole;
  for (Index k = 0; k < whole; k += kLanes) {
    Vector left[kRows], right;
    THAW_UNROLL
    for (int r = 0; r < kRows; ++r) load(left[r], a[r] + k);
    THAW_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      load(right, b[j] + k);
      THAW_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r * kColumns + j] += left[r] * right;
    }
  }
  if (rest > 0) {
    Vector left, right;
    THAW_UNROLL
    for (int i = 0; i < kLanes; ++i) {
      load_part(left, a[i / kColumns] + whole, rest);
      load_part(right, b[i % kColumns] + whole, rest);
      sums[i] += left * right;
    }
  }
  merge_all<Vector, kLanes, 1>(sums);
  store(out, sums[0]);
}

// Lines of the columns that come next, asked for a share at a time, so that they arrive while others are computed.
template <class Real>
struct DotAhead {
  static constexpr Index kLine = kAlignment / static_cast<Index>(sizeof(Real));
  const Real* from;
  Index stride, per_column, count, done = 0;

  THAW_ALWAYS_INLINE void ask(Index share) {
    for (Index last = (std::min)(count, done + share); done < last; ++done)
      __builtin_prefetch(from + done / per_column * stride + done % per_column * kLine, 0, 2);
  }
};

// All rows of A, `a_row` apart, for `count` columns of B. A tile of rows meets two tiles of columns while it is near.
template <class Real>
THAW_KERNEL void dot_columns(const ProductShape& s, const Real* a, Index a_row, const Real* b, Real* c,
                             const Real* bias, Index count, Index depth, bool add_to_c, DotAhead<Real>& ahead) {
  constexpr int kLanes = DotTile<Real>::kLanes, kRows = DotTile<Real>::kRows, kColumns = DotTile<Real>::kColumns;
  const Index share = ahead.count / ((s.rows + kRows - 1) / kRows) + 1;
  const Real *left[kRows], *right[2 * kColumns];
  for (int j = 0; j < 2 * kColumns; ++j)
    right[j] = b + (std::min)(static_cast<Index>(j), count - 1) * s.b_column_stride;
  for (Index m = 0; m < s.rows; m += kRows) {
    const Index rows = (std::min)(static_cast<Index>(kRows), s.rows - m);
    for (int r = 0; r < kRows; ++r) left[r] = a + (m + (std::min)(static_cast<Index>(r), rows - 1)) * a_row;
    ahead.ask(share);
    for (Index n = 0; n < count; n += kColumns) {
      Real out[kLanes];
      dot_block(depth, left, right + n, out);
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < (std::min)(static_cast<Index>(kColumns), count - n); ++j) {
          Real& to = c[(m + r) * s.c_row_stride + n + j];
          const Real sum = add_to_c ? to + out[r * kColumns + j] : out[r * kColumns + j];
          to = bias == nullptr ? sum : sum + bias[n + j];
        }
    }
  }
}

// The product of one pair of matrices; for which, see dots_fit. `scratch`: kDotRows rows of A.
template <class Real>
__attribute__((noinline)) THAW_KERNEL void product_dots(const ProductShape& s, const Real* a, const Real* b, Real* c,
                                                        const Real* bias, Real* scratch) {
  constexpr Index kColumns = 2 * DotTile<Real>::kColumns, kLine = DotAhead<Real>::kLine;
  for (Index k = 0; k < s.inner; k += product_blocks::kDotInner) {
    const Index depth = (std::min)(product_blocks::kDotInner, s.inner - k), row = depth + product_blocks::kDotPadding;
    for (Index m = 0; m < s.rows; ++m) std::copy_n(a + m * s.a_row_stride + k, depth, scratch + m * row);
    const Real* extra = k + depth == s.inner ? bias : nullptr;
    for (Index n = 0; n < s.columns; n += kColumns) {
      const Real* right = b + n * s.b_column_stride + k;
      const Index after = (std::max)(Index(0), (std::min)(kColumns, s.columns - n - kColumns));
      const Index lines = (depth + kLine - 1) / kLine;
      DotAhead<Real> ahead{right + (std::min)(kColumns, s.columns - n) * s.b_column_stride, s.b_column_stride, lines,
                           lines * after};
      dot_columns(s, scratch, row, right, c + n, extra == nullptr ? nullptr : extra + n,
                  (std::min)(kColumns, s.columns - n), depth, s.accumulate || k > 0, ahead);
    }
  }
}

#undef THAW_KERNEL

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0

#endif
