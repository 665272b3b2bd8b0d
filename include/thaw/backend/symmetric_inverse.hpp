// The inverse of a large positive definite matrix, in place, by blocks, on the library's own products.
//
//   std::vector<float> scratch(invert_positive_definite_scratch<float>(n, threads));
//   bool ok = invert_positive_definite(detect_isa(), n, a, scratch.data(), threads);   // a: (n, n) row-major
//
// Sweeps the diagonal blocks of A one after another (block Gauss-Jordan without pivoting, which is stable for positive
// definite matrices): n^3 multiply-adds by halves of the symmetry, nearly all of them in products of inner size 256.
// Errors grow with the condition number: a relative 1e-7 times it in float. Not for indefinite or singular matrices,
// and not a solver: to solve one system a factorisation costs a third.
#pragma once

#include "thaw/backend/kernels/product.hpp"
#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

namespace detail {

inline constexpr Index kSweepTile = 256;  // rows that are updated in one product

// Blocks of the outer sweep are as deep as the product's own; the pivot blocks themselves are swept by small ones.
constexpr Index sweep_block(Index n) { return n > 512 ? 256 : 32; }

// Workspace of one level, in elements: the pivot (block, block), the panel before (block, n) and after (n, block).
template <class Real>
constexpr Index sweep_level(Index n) {
  const Index b = sweep_block(n);
  return b * b + 2 * n * b;
}
template <class Real>
Index sweep_product_space(Index n) {
  const ProductShape shape = row_major_product(kSweepTile, n, sweep_block(n));
  return static_cast<Index>(product_scratch_bytes<Real>(shape) / sizeof(Real)) + 16;
}

// The lower triangle of A becomes that of -A^-1. For a few rows, in double.
template <class Real>
bool sweep_small(Index n, Real* a, Index stride) {
  double m[32][32];
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j) m[i][j] = m[j][i] = static_cast<double>(a[i * stride + j]);
  for (Index k = 0; k < n; ++k) {
    const double pivot = m[k][k];
    if (!(pivot > 0) || pivot > 1e300) return false;
    const double inverse = 1 / pivot;
    for (Index i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = m[i][k] * inverse;
      for (Index j = 0; j < n; ++j)
        if (j != k) m[i][j] -= factor * m[k][j];
    }
    for (Index i = 0; i < n; ++i) m[i][k] = m[k][i] = i == k ? -inverse : m[i][k] * inverse;
  }
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j <= i; ++j) a[i * stride + j] = static_cast<Real>(m[i][j]);
  return true;
}

// Copies the lower triangle to the upper one, times `sign`. By squares, so that both sides stay in the cache.
template <class Real>
void mirror_lower(Index n, Real* a, Index stride, Real sign) {
  constexpr Index kSquare = 32;
  for (Index top = 0; top < n; top += kSquare)
    for (Index left = 0; left <= top; left += kSquare)
      for (Index i = top; i < (std::min)(top + kSquare, n); ++i)
        for (Index j = left; j < (std::min)(left + kSquare, i + 1); ++j) {
          const Real value = sign * a[i * stride + j];
          a[i * stride + j] = value;
          a[j * stride + i] = value;
        }
}

// One matrix being swept, and where its workspace lies.
template <class Real>
struct BlockSweep {
  Isa isa;
  Index n;
  Real* a;
  Index stride;
  int threads;
  Real* pivot;   // (block, block)
  Real* before;  // (block, n): the pivot columns, transposed
  Real* after;   // (n, block): -A[:, k] A[k, k]^-1
  Real* space;   // for products, one part a thread
  Index thread_space;

  BlockSweep(Isa with, Index rows, Real* matrix, Index row_stride, Real* scratch, int thread_count)
      : isa(with), n(rows), a(matrix), stride(row_stride), threads(thread_count) {
    const Index b = sweep_block(n);
    pivot = scratch;
    before = pivot + b * b;
    after = before + b * n;
    space = after + b * n;
    thread_space = sweep_product_space<Real>(n);
  }
  Real* end() const { return space + thread_space * threads; }

  // The pivot columns of the whole symmetric matrix, with zeros in place of the pivot block itself.
  void read_panel(Index k, Index b) const {
    for (Index c = 0; c < b; ++c) {
      Real* to = before + c * n;
      const Real* row = a + (k + c) * stride;
      for (Index i = 0; i < k; ++i) to[i] = row[i];
      for (Index i = k; i < k + b; ++i) to[i] = Real(0);
    }
    for (Index i = k + b; i < n; ++i)
      for (Index c = 0; c < b; ++c) before[c * n + i] = a[i * stride + k + c];
  }
  void write_panel(Index k, Index b) const {
    for (Index c = 0; c < b; ++c) {
      Real* row = a + (k + c) * stride;
      for (Index i = 0; i < k; ++i) row[i] = -after[i * b + c];
      for (Index j = 0; j <= c; ++j) row[k + j] = pivot[c * b + j];
    }
    for (Index i = k + b; i < n; ++i)
      for (Index c = 0; c < b; ++c) a[i * stride + k + c] = -after[i * b + c];
  }
  // after = -A[:, k] P, P the inverse of the pivot: `pivot` holds -P.
  void scale_panel(Index b) const {
    ProductShape s = row_major_product(n, b, b);
    s.a_row_stride = 1;
    s.a_inner_stride = n;
    product(isa, s, before, pivot, after, static_cast<const Real*>(nullptr), space);
  }
  // Lower triangle += after x before, tile by tile of rows.
  void update(Index b) const {
    const Index tiles = (n + kSweepTile - 1) / kSweepTile;
#if defined(_OPENMP)
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
#endif
    for (int t = 0; t < threads; ++t)
      // The longest rows first; each thread has its own tiles, so the sums do not depend on timing.
      for (Index tile = tiles - 1 - t; tile >= 0; tile -= threads) {
        const Index top = tile * kSweepTile;
        const Index rows = (std::min)(kSweepTile, n - top);
        ProductShape s = row_major_product(rows, top + rows, b);
        s.b_inner_stride = n;
        s.c_row_stride = stride;
        s.accumulate = true;
        product(isa, s, after + top * b, before, a + top * stride, static_cast<const Real*>(nullptr),
                space + t * thread_space);
      }
  }
};

// The lower triangle of A becomes that of -A^-1; the upper one is overwritten with anything. False: not positive.
template <class Real>
bool sweep_lower(Isa isa, Index n, Real* a, Index stride, Real* scratch, int threads) {
  if (n <= 32) return sweep_small(n, a, stride);
  const BlockSweep<Real> sweep(isa, n, a, stride, scratch, threads);
  for (Index k = 0; k < n; k += sweep_block(n)) {
    const Index b = (std::min)(sweep_block(n), n - k);
    for (Index i = 0; i < b; ++i)
      for (Index j = 0; j <= i; ++j) sweep.pivot[i * b + j] = a[(k + i) * stride + k + j];
    if (!sweep_lower(isa, b, sweep.pivot, b, sweep.end(), 1)) return false;
    mirror_lower(b, sweep.pivot, b, Real(1));
    sweep.read_panel(k, b);
    sweep.scale_panel(b);
    sweep.update(b);
    sweep.write_panel(k, b);
  }
  return true;
}

}  // namespace detail

// Elements of scratch that invert_positive_definite needs: about 512 n for large n.
template <class Real>
Index invert_positive_definite_scratch(Index n, int threads = 1) {
  Index elements = 0;
  for (Index size = n; size > 32; size = detail::sweep_block(size), threads = 1)
    elements += detail::sweep_level<Real>(size) + detail::sweep_product_space<Real>(size) * threads;
  return elements + 1;
}

// A (n, n), row-major, becomes its inverse; only its lower triangle is read. False, and A is spoilt, if A is not
// positive definite to the precision of Real. The result depends on the instruction set, not on the threads.
template <class Real>
[[nodiscard]] bool invert_positive_definite(Isa isa, Index n, Real* a, Real* scratch, int threads = 1) {
#if !defined(_OPENMP)
  threads = 1;
#endif
  require(threads > 0, "invert_positive_definite: ", threads, " threads, at least 1 is needed");
  if (!detail::sweep_lower(isa, n, a, n, scratch, threads)) return false;
  detail::mirror_lower(n, a, n, Real(-1));
  return true;
}

}  // namespace thaw::inline v0
