// Sums, and row by row: softmax, layer normalisation, column sums, dropout.
//
//   thaw::softmax_rows(isa, rows, columns, x, bias, 0, y);          // softmax(x + bias), bias shared by the rows
//   thaw::layer_norm_rows(isa, rows, columns, 1e-5f, x, weight, shift, y, mean, deviation);
//   float energy = thaw::sum_of_squares(isa, n, x);
//
// Matrices are (rows, columns), dense and row-major; outputs may be inputs of the same shape. Long sums are added
// in blocks whose totals are kept in double precision. One thread; not an operation with a gradient rule.
#pragma once

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/core/random.hpp"

#define THAW_KERNEL_FILE "thaw/backend/kernels/vector_math_rows_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

template <class Real>
Real sum(Isa isa, Index n, const Real* x) {
  return THAW_DISPATCH(isa, sum(n, x));
}
template <class Real>
Real dot(Isa isa, Index n, const Real* x, const Real* y) {
  return THAW_DISPATCH(isa, dot(n, x, y));
}
template <class Real>
Real sum_of_squares(Isa isa, Index n, const Real* x) {
  return THAW_DISPATCH(isa, dot(n, x, x));
}
// y = scale * x + shift
template <class Real>
void affine(Isa isa, Index n, Real scale, Real shift, const Real* x, Real* y) {
  THAW_DISPATCH(isa, affine(n, scale, shift, x, y));
}
// y += scale * x
template <class Real>
void axpy(Isa isa, Index n, Real scale, const Real* x, Real* y) {
  THAW_DISPATCH(isa, axpy(n, scale, x, y));
}
template <class Real>
void fill(Isa isa, Index n, Real value, Real* y) {
  THAW_DISPATCH(isa, fill(n, value, y));
}
template <class Real>
void copy(Index n, const Real* x, Real* y) {
  if (n > 0) __builtin_memmove(y, x, static_cast<std::size_t>(n) * sizeof(Real));
}

// y (columns) = or += the sum over the rows of x (rows, columns).
template <class Real>
void sum_over_rows(Isa isa, Index rows, Index columns, const Real* x, bool accumulate, Real* y) {
  THAW_DISPATCH(isa, sum_over_rows(rows, columns, x, accumulate, y));
}
// y (rows) = the sum over the columns of x (rows, columns).
template <class Real>
void sum_over_columns(Isa isa, Index rows, Index columns, const Real* x, Real* y) {
  for (Index r = 0; r < rows; ++r) y[r] = sum(isa, columns, x + r * columns);
}

// Each row of y is softmax(row of x + row of bias). `bias` may be null; `bias_stride` is 0 when the rows share one.
// A bias of -infinity masks an element; a row of nothing else becomes NaN.
template <class Real>
void softmax_rows(Isa isa, Index rows, Index columns, const Real* x, const Real* bias, Index bias_stride, Real* y) {
  THAW_DISPATCH(isa, softmax_rows(rows, columns, x, bias, bias_stride, y));
}
// d_x = y * (g - sum(g * y)), row by row.
template <class Real>
void softmax_rows_backward(Isa isa, Index rows, Index columns, const Real* y, const Real* g, Real* d_x) {
  THAW_DISPATCH(isa, softmax_rows_backward(rows, columns, y, g, d_x));
}

// y = (x - mean) * deviation * weight + shift with deviation = 1 / sqrt(variance + epsilon); `mean` and `deviation`
// (rows) keep both for the backward pass and may be null.
template <class Real>
void layer_norm_rows(Isa isa, Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                     const Real* shift, Real* y, Real* mean, Real* deviation) {
  THAW_DISPATCH(isa, layer_norm_rows(rows, columns, epsilon, x, weight, shift, y, mean, deviation));
}
// d_x is overwritten; d_weight and d_shift (columns) are added to. With `mean` null both moments are computed again.
template <class Real>
void layer_norm_rows_backward(Isa isa, Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                              const Real* g, const Real* mean, const Real* deviation, Real* d_x, Real* d_weight,
                              Real* d_shift) {
  THAW_DISPATCH(
      isa, layer_norm_rows_backward(rows, columns, epsilon, x, weight, g, mean, deviation, d_x, d_weight, d_shift));
}

// y = x with dropped elements zero and the others scaled up; x is rows first_row, first_row + 1, ... of a matrix with
// `columns` columns, so that a split over threads or blocks changes nothing.
template <class Real>
void dropout_rows(Isa isa, const DropoutRule& rule, Index first_row, Index rows, Index columns, const Real* x,
                  Real* y) {
  THAW_DISPATCH(isa, dropout_rows(rule, first_row, rows, columns, x, y));
}

}  // namespace thaw::inline v0
