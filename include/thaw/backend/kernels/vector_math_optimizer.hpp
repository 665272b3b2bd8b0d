// One-pass parameter updates over flat arrays: SGD with momentum, Adam, AdamW, and the first pass of LAMB.
//
//   AdamStep step = AdamStep::at(t, 1e-3, 0.9, 0.999, 1e-8, 0.01);      // t counts from 1
//   thaw::adam_update(isa, n, step, gradient, parameters, m, v);
//
// Reads and writes every array once. Not an optimiser: no schedules, groups, or clipping.
#pragma once

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/backend/optimizer_step.hpp"

#define THAW_KERNEL_FILE "thaw/backend/kernels/vector_math_optimizer_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

// `velocity` (n) may be null when the momentum is zero.
template <class Real>
void sgd_update(Isa isa, Index n, const SgdStep& step, const Real* g, Real* p, Real* velocity) {
  THAW_DISPATCH(isa, sgd_update(n, step, g, p, velocity));
}
// m and v (n) are the running means of the gradient and of its square.
template <class Real>
void adam_update(Isa isa, Index n, const AdamStep& step, const Real* g, Real* p, Real* m, Real* v) {
  THAW_DISPATCH(isa, adam_update(n, step, g, p, m, v));
}
// First pass: m and v move on, and u (n) becomes the update before the trust ratio. Second pass:
// axpy(isa, n, -learning_rate * ratio, u, p) with ratio = sqrt(norms.parameters / norms.update).
template <class Real>
LambNorms lamb_direction(Isa isa, Index n, const AdamStep& step, const Real* g, const Real* p, Real* m, Real* v,
                         Real* u) {
  return THAW_DISPATCH(isa, lamb_direction(n, step, g, p, m, v, u));
}

}  // namespace thaw::inline v0
