// The kernels of sequence_rows.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/vector_math_rows.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

#define THAW_KERNEL THAW_KERNEL_TARGET THAW_VECTORIZED inline

// 1 / sqrt(mean(x^2) + epsilon)
template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE Real inverse_root_mean_square(Index columns, Real epsilon, const Real* x) {
  using Vector = typename Lanes<Real>::Vector;
  Vector total = {}, v;
  for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
    load_part(v, x + j, lanes_left<Real>(columns - j));
    total += v * v;
  }
  return Rsqrt::value(lane_sum<Real>(total) / static_cast<Real>(columns) + epsilon);
}

template <class Real>
THAW_KERNEL void rms_norm_rows(Index rows, Index columns, Real epsilon, const Real* x, const Real* weight, Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, x += columns, y += columns) {
    const Real inverse = inverse_root_mean_square(columns, epsilon, x);
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      Vector v, w;
      load_part(v, x + j, count);
      load_part(w, weight + j, count);
      v = v * inverse * w;
      store_part(y + j, v, count);
    }
  }
}

// With s = 1 / sqrt(mean(x^2) + epsilon): d_x = s (g w - x s^2 mean(g w x)), d_w = sum over rows of g x s.
template <class Real>
THAW_KERNEL void rms_norm_rows_backward(Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                                        const Real* g, Real* d_x, Real* d_weight) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, x += columns, g += columns, d_x += columns) {
    const Real inverse = inverse_root_mean_square(columns, epsilon, x);
    Vector dots = {}, v, w, u, t;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, x + j, count);
      load_part(u, g + j, count);
      load_part(w, weight + j, count);
      load_part(t, d_weight + j, count);
      v *= inverse;
      t += u * v;
      store_part(d_weight + j, t, count);
      dots += u * w * v;
    }
    const Real slope = lane_sum<Real>(dots) / static_cast<Real>(columns);
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, x + j, count);
      load_part(u, g + j, count);
      load_part(w, weight + j, count);
      v = (u * w - v * inverse * slope) * inverse;
      store_part(d_x + j, v, count);
    }
  }
}

template <class Real>
THAW_KERNEL void log_sum_exp_rows(Index rows, Index columns, const Real* x, Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  const Real low = static_cast<Real>(-__builtin_inf());
  for (Index r = 0; r < rows; ++r, x += columns) {
    const Real most = add_bias(columns, x, static_cast<const Real*>(nullptr), static_cast<Real*>(nullptr));
    double sum = 0;
    for (Index begin = 0; begin < columns; begin += kSumBlock) {
      const Index end = begin + kSumBlock < columns ? begin + kSumBlock : columns;
      Vector total = {}, v;
      for (Index j = begin; j < end; j += Lanes<Real>::kCount) {
        const Index count = lanes_left<Real>(end - j);
        load_part(v, x + j, count);
        v -= most;
        fill_tail(v, count, low);
        apply<Exp, Real>(v);
        total += v;
      }
      sum += static_cast<double>(lane_sum<Real>(total));
    }
    y[r] = most + Log::value(static_cast<Real>(sum));
  }
}

#undef THAW_KERNEL

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
