// Adam on long arrays with the processor's own square root where there is one.
//
//   hyperrs::head_adam(isa, n, adam, gradient, weights, first, second);
//
// The numbers of thaw::adam_update to the last bit: square roots and divisions are correctly rounded either way. Not a
// replacement for it elsewhere: this one exists because the heads of a hypernetwork are nearly all of a learner's
// weights.
#pragma once

#include "thaw/backend/kernels/isa.hpp"
#include "thaw/backend/kernels/vector_math_optimizer.hpp"

#if THAW_X86_KERNELS
#include <immintrin.h>
#endif

namespace hyperrs {

namespace detail {

#if THAW_X86_KERNELS
// The first n / 16 * 16 numbers; returns how many.
THAW_TARGET_AVX512 inline thaw::Index head_adam_avx512(thaw::Index n, const thaw::AdamStep& step, const float* g,
                                                       float* p, float* m, float* v) {
  const auto single = [](double x) { return static_cast<float>(x); };
  const __m512 beta1 = _mm512_set1_ps(single(step.beta1)), rest1 = _mm512_set1_ps(single(1 - step.beta1));
  const __m512 beta2 = _mm512_set1_ps(single(step.beta2)), rest2 = _mm512_set1_ps(single(1 - step.beta2));
  const __m512 rate = _mm512_set1_ps(single(-step.learning_rate * step.correction1));
  const __m512 root = _mm512_set1_ps(single(step.correction2)), epsilon = _mm512_set1_ps(single(step.epsilon));
  const __m512 coupled = _mm512_set1_ps(single(step.decoupled ? 0 : step.weight_decay));
  const __m512 shrink = _mm512_set1_ps(single(step.decoupled ? 1 - step.learning_rate * step.weight_decay : 1));
  thaw::Index i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 weight = _mm512_loadu_ps(p + i);
    const __m512 gradient = _mm512_fmadd_ps(coupled, weight, _mm512_loadu_ps(g + i));
    const __m512 first = _mm512_fmadd_ps(beta1, _mm512_loadu_ps(m + i), _mm512_mul_ps(rest1, gradient));
    const __m512 square = _mm512_mul_ps(_mm512_mul_ps(rest2, gradient), gradient);
    const __m512 second = _mm512_fmadd_ps(beta2, _mm512_loadu_ps(v + i), square);
    _mm512_storeu_ps(m + i, first);
    _mm512_storeu_ps(v + i, second);
    const __m512 deviation = _mm512_fmadd_ps(root, _mm512_maskz_sqrt_ps(0xffff, second), epsilon);
    _mm512_storeu_ps(p + i, _mm512_fmadd_ps(rate, _mm512_div_ps(first, deviation), _mm512_mul_ps(shrink, weight)));
  }
  return i;
}
#endif

}  // namespace detail

template <class R>
void head_adam(thaw::Isa isa, thaw::Index n, const thaw::AdamStep& step, const R* g, R* p, R* m, R* v) {
  thaw::Index done = 0;
#if THAW_X86_KERNELS
  if constexpr (sizeof(R) == sizeof(float))
    if (isa == thaw::Isa::avx512) done = detail::head_adam_avx512(n, step, g, p, m, v);
#endif
  if (done < n) thaw::adam_update(isa, n - done, step, g + done, p + done, m + done, v + done);
}

}  // namespace hyperrs
