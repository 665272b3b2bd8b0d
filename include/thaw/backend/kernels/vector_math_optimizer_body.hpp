// The loops of vector_math_optimizer.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

template <class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void sgd_update(Index n, const SgdStep& step, const Real* g, Real* p,
                                                   Real* velocity) {
  const Real rate = static_cast<Real>(-step.learning_rate), momentum = static_cast<Real>(step.momentum);
  const Real decay = static_cast<Real>(step.weight_decay);
  if (velocity == nullptr) {
    THAW_VECTOR_LOOP
    for (Index i = 0; i < n; ++i) p[i] = fused(rate, fused(decay, p[i], g[i]), p[i]);
    return;
  }
  if (step.nesterov) {
    THAW_VECTOR_LOOP
    for (Index i = 0; i < n; ++i) {
      const Real gradient = fused(decay, p[i], g[i]);
      velocity[i] = fused(momentum, velocity[i], gradient);
      p[i] = fused(rate, fused(momentum, velocity[i], gradient), p[i]);
    }
    return;
  }
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) {
    velocity[i] = fused(momentum, velocity[i], fused(decay, p[i], g[i]));
    p[i] = fused(rate, velocity[i], p[i]);
  }
}

template <class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void adam_update(Index n, const AdamStep& step, const Real* g, Real* p, Real* m,
                                                    Real* v) {
  const Real beta1 = static_cast<Real>(step.beta1), rest1 = static_cast<Real>(1 - step.beta1);
  const Real beta2 = static_cast<Real>(step.beta2), rest2 = static_cast<Real>(1 - step.beta2);
  const Real rate = static_cast<Real>(-step.learning_rate * step.correction1);
  const Real root = static_cast<Real>(step.correction2), epsilon = static_cast<Real>(step.epsilon);
  const Real coupled = static_cast<Real>(step.decoupled ? 0 : step.weight_decay);
  const Real shrink = static_cast<Real>(step.decoupled ? 1 - step.learning_rate * step.weight_decay : 1);
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) {
    const Real gradient = fused(coupled, p[i], g[i]);
    const Real first = fused(beta1, m[i], rest1 * gradient);
    const Real second = fused(beta2, v[i], rest2 * gradient * gradient);
    m[i] = first;
    v[i] = second;
    p[i] = fused(rate, first / fused(root, Sqrt::value(second), epsilon), shrink * p[i]);
  }
}

template <class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED LambNorms lamb_direction(Index n, const AdamStep& step, const Real* g, const Real* p,
                                                            Real* m, Real* v, Real* u) {
  const Real beta1 = static_cast<Real>(step.beta1), rest1 = static_cast<Real>(1 - step.beta1);
  const Real beta2 = static_cast<Real>(step.beta2), rest2 = static_cast<Real>(1 - step.beta2);
  const Real scale = static_cast<Real>(step.correction1), decay = static_cast<Real>(step.weight_decay);
  const Real root = static_cast<Real>(step.correction2), epsilon = static_cast<Real>(step.epsilon);
  constexpr Index kSums = 8;
  LambNorms norms;
  for (Index begin = 0; begin < n; begin += 1024) {  // a block stays in the first-level cache for its sums
    const Index end = begin + 1024 < n ? begin + 1024 : n;
    THAW_VECTOR_LOOP
    for (Index i = begin; i < end; ++i) {
      const Real first = fused(beta1, m[i], rest1 * g[i]);
      const Real second = fused(beta2, v[i], rest2 * g[i] * g[i]);
      m[i] = first;
      v[i] = second;
      u[i] = fused(decay, p[i], scale * first / fused(root, Sqrt::value(second), epsilon));
    }
    double parameters[kSums] = {}, update[kSums] = {};  // chains of their own, so that they need not wait in turn
    Index at = begin;
    for (; at + kSums <= end; at += kSums) {
      THAW_VECTOR_LOOP
      for (Index j = 0; j < kSums; ++j) {
        parameters[j] += static_cast<double>(p[at + j]) * static_cast<double>(p[at + j]);
        update[j] += static_cast<double>(u[at + j]) * static_cast<double>(u[at + j]);
      }
    }
    for (; at < end; ++at) {
      parameters[0] += static_cast<double>(p[at]) * static_cast<double>(p[at]);
      update[0] += static_cast<double>(u[at]) * static_cast<double>(u[at]);
    }
    for (Index j = 0; j < kSums; ++j) {
      norms.parameters += parameters[j];
      norms.update += update[j];
    }
  }
  return norms;
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
