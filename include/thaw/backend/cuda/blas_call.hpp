// A batch of products as the arguments of a column-major BLAS, where it has a call for their strides.
//
//   grid::BlasCall call;
//   if (grid::blas_call(shape, call)) ...        // gemm(call.first, call.second, call.m, call.n, call.k, B, A, C)
//
// A row-major C = A B is, read by columns, C^T = B^T A^T: the matrices change places and nothing is moved.
#pragma once

#include "thaw/backend/product_shape.hpp"

namespace thaw::inline v0::grid {

// C (m, n) = op(B) op(A), all by columns; `first` and `second` are the transpositions of B and A.
struct BlasCall {
  bool first = false, second = false;
  int m = 0, n = 0, k = 0, batch = 0;
  int b_stride = 0, a_stride = 0, c_stride = 0;  // leading dimensions
  Index b_batch = 0, a_batch = 0, c_batch = 0;
};

// A stored matrix of `tall` x `wide` numbers, its columns `stride` apart: what BLAS wants of it.
inline bool blas_stride(Index tall, Index wide, Index unit, Index stride, int& out) {
  constexpr Index kMost = 0x7fffffff;
  if (unit != 1 && tall > 1) return false;
  if (wide <= 1) stride = tall;
  if (stride < tall || stride > kMost) return false;
  out = static_cast<int>(stride > 0 ? stride : 1);
  return true;
}

// Fills `call`; false where a matrix has no unit stride, overlaps itself, or is too large for 32-bit sizes.
inline bool blas_call(const ProductShape& s, BlasCall& call) {
  constexpr Index kMost = 0x7fffffff;
  if (s.rows > kMost || s.columns > kMost || s.inner > kMost || s.batch > kMost) return false;
  call.m = static_cast<int>(s.columns), call.n = static_cast<int>(s.rows), call.k = static_cast<int>(s.inner);
  call.batch = static_cast<int>(s.batch);
  call.b_batch = s.b_batch_stride, call.a_batch = s.a_batch_stride, call.c_batch = s.c_batch_stride;
  // B^T: (columns, inner) as it is, or B: (inner, columns) to be transposed.
  call.first = !blas_stride(s.columns, s.inner, s.b_column_stride, s.b_inner_stride, call.b_stride);
  if (call.first && !blas_stride(s.inner, s.columns, s.b_inner_stride, s.b_column_stride, call.b_stride)) return false;
  // A^T: (inner, rows) as it is, or A: (rows, inner) to be transposed.
  call.second = !blas_stride(s.inner, s.rows, s.a_inner_stride, s.a_row_stride, call.a_stride);
  if (call.second && !blas_stride(s.rows, s.inner, s.a_row_stride, s.a_inner_stride, call.a_stride)) return false;
  return blas_stride(s.columns, s.rows, 1, s.c_row_stride, call.c_stride);
}

}  // namespace thaw::inline v0::grid
