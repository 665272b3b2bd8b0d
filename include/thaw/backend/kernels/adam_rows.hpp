// One step of Adam on some rows of a table, or on a run of numbers, with the machine's own square root.
//
//   thaw::adam_rows(isa, step, {.count = touched, .width = 16, .ids = ids}, gradients, p, m, v);
//   thaw::adam_rows(isa, step, {.count = 1, .width = n}, gradients, p, m, v);              // the first n numbers
//   thaw::adam_rows(isa, step, {.count = rows, .width = 16, .places = places, .zeros = zeros}, gradients, p, m, v);
//                                                                                         // every row, few gradients
//
// The arithmetic of adam_update without weight decay; numbers differ in the last bit, because that one's square root is
// made of multiplications. No row may be named twice. Not an optimiser: see optim/table_adam.hpp.
#pragma once

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/backend/optimizer_step.hpp"

namespace thaw::inline v0 {

// The rows of a step: gradient row k belongs to table row ids[k], or to row k where `ids` is null. With `places`, row k
// has the gradient row places[k], or `zeros` where its place is below zero.
template <class Real>
struct AdamRows {
  Index count = 0, width = 0;
  const std::int32_t* ids = nullptr;
  const Real* fades = nullptr;           // (count, 2): what the moments of a row are multiplied by first; null: nothing
  const std::int32_t* places = nullptr;  // (count)
  const Real* zeros = nullptr;           // (width)
};

namespace detail {

// The numbers of a step in the precision of the weights.
template <class Real>
struct AdamNumbers {
  Real beta1, rest1, beta2, rest2, rate, root, epsilon;

  explicit AdamNumbers(const AdamStep& step)
      : beta1(static_cast<Real>(step.beta1)),
        rest1(static_cast<Real>(1 - step.beta1)),
        beta2(static_cast<Real>(step.beta2)),
        rest2(static_cast<Real>(1 - step.beta2)),
        rate(static_cast<Real>(-step.learning_rate * step.correction1)),
        root(static_cast<Real>(step.correction2)),
        epsilon(static_cast<Real>(step.epsilon)) {}
};

}  // namespace detail
}  // namespace thaw::inline v0

#define THAW_KERNEL_FILE "thaw/backend/kernels/adam_rows_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

// g (count, width); p, m, v: tables. m and v are the running means of the gradient and of its square.
template <class Real>
void adam_rows(Isa isa, const AdamStep& step, const AdamRows<Real>& rows, const Real* g, Real* p, Real* m, Real* v) {
  THAW_DISPATCH(isa, adam_rows(detail::AdamNumbers<Real>(step), rows, g, p, m, v));
}

}  // namespace thaw::inline v0
