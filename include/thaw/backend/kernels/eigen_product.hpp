// The product of product.hpp by Eigen: a second opinion for tests, and a yardstick for benches.
//
//   if (eigen_can(shape)) eigen_product(shape, a, b, c, bias);      // one thread
//
// The only file that includes Eigen, and none of its types leave it. Not the fast path: Eigen takes its instruction
// set from the compiler's -march, may allocate its packing buffers on the heap, and loses to `product` on the shapes
// of bench/backend/product_bench.cpp, large square ones included.
#pragma once

#include <Eigen/Core>

#include "thaw/backend/kernels/product_types.hpp"

namespace thaw::inline v0 {

// Eigen multiplies operands in place if rows or columns of each are contiguous.
inline bool eigen_can(const ProductShape& s) {
  return (s.a_inner_stride == 1 || s.a_row_stride == 1) && (s.b_inner_stride == 1 || s.b_column_stride == 1);
}

namespace detail {

template <class Real, class Left, class Right>
void eigen_product_of(const ProductShape& s, const Left& a, const Right& b, Real* c, const Real* bias) {
  using Rows = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Rows, Eigen::Unaligned, Eigen::OuterStride<>> out(c, s.rows, s.columns,
                                                               Eigen::OuterStride<>(s.c_row_stride));
  if (s.accumulate)
    out.noalias() += a * b;
  else
    out.noalias() = a * b;
  if (bias != nullptr) {
    const Eigen::Map<const Eigen::Matrix<Real, 1, Eigen::Dynamic>> extra(bias, s.columns);
    out.rowwise() += extra;
  }
}

// Calls run(matrix) for memory whose element (r, c) is at r * row + c * column, one of the strides being 1.
template <class Real, class Run>
void eigen_operand(const Real* data, Index rows, Index columns, Index row, Index column, const Run& run) {
  using Rows = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Columns = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  if (column == 1)
    run(Eigen::Map<const Rows, Eigen::Unaligned, Eigen::OuterStride<>>(data, rows, columns, Eigen::OuterStride<>(row)));
  else
    run(Eigen::Map<const Columns, Eigen::Unaligned, Eigen::OuterStride<>>(data, rows, columns,
                                                                          Eigen::OuterStride<>(column)));
}

}  // namespace detail

// As `product`, for shapes with eigen_can(shape).
template <class Real>
void eigen_product(const ProductShape& s, const Real* a, const Real* b, Real* c, const Real* bias) {
  for (Index i = 0; i < s.batch; ++i)
    detail::eigen_operand(
        a + i * s.a_batch_stride, s.rows, s.inner, s.a_row_stride, s.a_inner_stride, [&](const auto& left) {
          detail::eigen_operand(
              b + i * s.b_batch_stride, s.inner, s.columns, s.b_inner_stride, s.b_column_stride,
              [&](const auto& right) { detail::eigen_product_of(s, left, right, c + i * s.c_batch_stride, bias); });
        });
}

}  // namespace thaw::inline v0
