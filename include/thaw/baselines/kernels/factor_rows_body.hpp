// Rows of matrix factorisations, for one instruction set: a small positive definite system, a step of BPR. Included by
// ials.hpp and bpr_mf.hpp; empty otherwise.
#if defined(THAW_KERNEL_NAMESPACE)

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// x (n) becomes A^-1 x; A (n, stride) is symmetric, row-major, and becomes its Cholesky factor U, A = U^T U, in the
// upper triangle. stride is a multiple of 16; columns behind n are scratch. False: A is not positive definite.
THAW_KERNEL_TARGET THAW_VECTORIZED inline bool solve_positive_definite(Index n, Index stride, float* a, float* x) {
  for (Index k = 0; k < n; ++k) {
    float* const pivot_row = a + k * stride;
    const float pivot = pivot_row[k];
    if (!(pivot > 0)) return false;
    const float inverse = 1.0f / __builtin_sqrtf(pivot);
    const Index first = k / 16 * 16;  // whole registers; what lies below the diagonal is never read again
    THAW_VECTOR_LOOP
    for (Index j = first; j < stride; ++j) pivot_row[j] *= inverse;
    for (Index i = k + 1; i < n; ++i) {
      const float factor = pivot_row[i];
      float* const row = a + i * stride;
      THAW_VECTOR_LOOP
      for (Index j = i / 16 * 16; j < stride; ++j) row[j] -= factor * pivot_row[j];
    }
    // Forward, by columns of U^T.
    const float y = x[k] * inverse;
    x[k] = y;
    for (Index i = k + 1; i < n; ++i) x[i] -= pivot_row[i] * y;
  }
  for (Index k = n - 1; k >= 0; --k) {
    const float* const row = a + k * stride;
    float sum = x[k];
    for (Index j = k + 1; j < n; ++j) sum -= row[j] * x[j];
    x[k] = sum / row[k];
  }
  return true;
}

// One triple: with e = sigmoid(<u, other> - <u, liked>), all three rows take a step up the gradient of
// log sigmoid(<u, liked - other>) - decay / 2 (|u|^2 + |liked|^2 + |other|^2).
THAW_KERNEL_TARGET THAW_VECTORIZED inline void bpr_row_step(Index width, float rate, float decay, float* user,
                                                            float* liked, float* other) {
  const float difference = dot(width, user, other) - dot(width, user, liked);
  const float e = rate / (1.0f + Exp::value(-difference)), keep = 1.0f - rate * decay;
  THAW_VECTOR_LOOP
  for (Index j = 0; j < width; ++j) {
    const float u = user[j], l = liked[j], o = other[j];
    user[j] = keep * u + e * (l - o);
    liked[j] = keep * l + e * u;
    other[j] = keep * o - e * u;
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
