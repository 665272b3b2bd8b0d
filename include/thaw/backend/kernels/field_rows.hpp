// Passes over rows of field vectors, x (rows, fields * width): look-ups with linear weights, the pairs of a
// factorisation machine forward and back, and the last layer of a tower. A row is small, so that a pass of its own for
// each of them would cost more than what it computes.
//
//   thaw::gather_fields(isa, {rows, fields, width}, ids, table, linear, x, stride, z);
//   thaw::add_pairs(isa, {rows, fields, width}, x, z);             // z (rows) += sum of the products of all pairs
//
// Plain pointers, nothing is checked. Not operations: see nn/field_table.hpp and nn/factorization_machine.hpp.
#pragma once

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/vector_math_map.hpp"

namespace thaw::inline v0 {

struct FieldRowsShape {
  Index rows = 0, fields = 0, width = 0;
};

// Where the slopes of a row's vectors go: the first one's to `first`, the others' one after another to `rest`.
template <class Real>
struct FieldSlopes {
  Real* first = nullptr;
  Index first_stride = 0;
  Real* rest = nullptr;
  Index rest_stride = 0;
};

}  // namespace thaw::inline v0

#define THAW_KERNEL_FILE "thaw/backend/kernels/field_rows_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

// to (rows, `stride` apart) = the rows of `table` (., width) that ids (rows, fields) name, zeros for ids below zero.
// z (rows) += their numbers in `linear`, unless that is null.
template <class Real>
void gather_fields(Isa isa, const FieldRowsShape& s, const std::int32_t* ids, const Real* table, const Real* linear,
                   Real* to, Index stride, Real* z) {
  THAW_DISPATCH(isa, gather_fields(s, ids, table, linear, to, stride, z));
}
// z (rows) += half of |sum of the vectors|^2 - sum of |vector|^2.
template <class Real>
void add_pairs(Isa isa, const FieldRowsShape& s, const Real* x, Real* z) {
  THAW_DISPATCH(isa, add_pairs(s, x, z));
}
// d_x + g (sum of the vectors - x) for every vector; g (rows) may be null: d_x alone.
template <class Real>
void pair_slopes(Isa isa, const FieldRowsShape& s, const Real* x, const Real* d_x, const Real* g,
                 const FieldSlopes<Real>& to) {
  THAW_DISPATCH(isa, pair_slopes(s, x, d_x, g, to));
}
// Of z (rows) = y (rows, width) w: d (rows, width) = g w where y is positive, elsewhere zero, and sum (width) += g y.
// `masked` false: everywhere.
template <class Real>
void one_output_slopes(Isa isa, Index rows, Index width, const Real* g, const Real* y, const Real* w, bool masked,
                       Real* d, Real* sum) {
  THAW_DISPATCH(isa, one_output_slopes(rows, width, g, y, w, masked, d, sum));
}
// sum (width) += the rows of x (rows, width).
template <class Real>
void add_rows(Isa isa, Index rows, Index width, const Real* x, Real* sum) {
  THAW_DISPATCH(isa, add_rows(rows, width, x, sum));
}

}  // namespace thaw::inline v0
