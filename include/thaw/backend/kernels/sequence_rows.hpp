// Row by row what sequence models need besides softmax: normalisation by the root mean square, log-sum-exp.
//
//   thaw::rms_norm_rows(isa, rows, columns, 1e-6f, x, weight, y);     // x / sqrt(mean(x^2) + epsilon) * weight
//   thaw::log_sum_exp_rows(isa, rows, columns, x, y);                 // y (rows)
//
// Matrices are (rows, columns), dense and row-major. One thread; not an operation with a gradient rule.
#pragma once

#include "thaw/backend/kernels/vector_math_rows.hpp"

#define THAW_KERNEL_FILE "thaw/backend/kernels/sequence_rows_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

template <class Real>
void rms_norm_rows(Isa isa, Index rows, Index columns, Real epsilon, const Real* x, const Real* weight, Real* y) {
  THAW_DISPATCH(isa, rms_norm_rows(rows, columns, epsilon, x, weight, y));
}
// d_x is overwritten; d_weight (columns) is added to.
template <class Real>
void rms_norm_rows_backward(Isa isa, Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                            const Real* g, Real* d_x, Real* d_weight) {
  THAW_DISPATCH(isa, rms_norm_rows_backward(rows, columns, epsilon, x, weight, g, d_x, d_weight));
}
// y[r] = log(sum(exp(row r of x))), never overflowing.
template <class Real>
void log_sum_exp_rows(Isa isa, Index rows, Index columns, const Real* x, Real* y) {
  THAW_DISPATCH(isa, log_sum_exp_rows(rows, columns, x, y));
}

}  // namespace thaw::inline v0
