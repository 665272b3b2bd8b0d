// The loop of adam_rows.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

template <class Vector, class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void take_root(Vector& v, const Real*) {
#if THAW_X86_KERNELS
  if constexpr (sizeof(Real) == 4) {
#if THAW_KERNEL_BYTES == 64 && defined(__clang__)
    v = (Vector)__builtin_ia32_sqrtps512(v, 4);  // 4: round as the thread does
#elif THAW_KERNEL_BYTES == 64
    v = (Vector)__builtin_ia32_sqrtps512_mask(v, v, static_cast<unsigned short>(0xffff), 4);
#elif THAW_KERNEL_BYTES == 32
    v = (Vector)__builtin_ia32_sqrtps256(v);
#else
    v = (Vector)__builtin_ia32_sqrtps(v);
#endif
    return;
  }
#endif
  for (int i = 0; i < static_cast<int>(sizeof(Vector) / sizeof(Real)); ++i) v[i] = Sqrt::value(v[i]);
}

// One register of each; the last `count` lanes of the others keep what they are.
template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void adam_lanes(const AdamNumbers<Real>& n, Index count, Real fade1, Real fade2,
                                                      const Real* g, Real* p, Real* m, Real* v) {
  using Vector = typename Lanes<Real>::Vector;
  Vector gradient, weight, first, second;
  load_part(gradient, g, count);
  load_part(weight, p, count);
  load_part(first, m, count);
  load_part(second, v, count);
  first = n.beta1 * (fade1 * first) + n.rest1 * gradient;
  second = n.beta2 * (fade2 * second) + n.rest2 * gradient * gradient;
  store_part(m, first, count);
  store_part(v, second, count);
  take_root(second, g);
  store_part(p, weight + n.rate * (first / (n.root * second + n.epsilon)), count);
}

template <class Real>
THAW_KERNEL_TARGET inline void adam_rows(const AdamNumbers<Real>& numbers, const AdamRows<Real>& rows, const Real* g,
                                         Real* p, Real* m, Real* v) {
  constexpr Index kLanes = Lanes<Real>::kCount, kAhead = 16;
  const AdamNumbers<Real> n = numbers;  // of its own, so that no store can change it
  const Index width = rows.width, whole = width / kLanes * kLanes;
  for (Index k = 0; k < rows.count; ++k) {
    const Real* d = g + k * width;
    if (rows.places != nullptr) d = rows.places[k] < 0 ? rows.zeros : g + rows.places[k] * width;
    const Index at = (rows.ids == nullptr ? k : rows.ids[k]) * width;
    if (rows.ids != nullptr && k + kAhead < rows.count) {
      const Index next = rows.ids[k + kAhead] * width;
      for (Index j = 0; j < width; j += kLanes) {
        const Index line = next + j;
        __builtin_prefetch(p + line, 1);
        __builtin_prefetch(m + line, 1);
        __builtin_prefetch(v + line, 1);
      }
    }
    const Real fade1 = rows.fades == nullptr ? Real(1) : rows.fades[2 * k];
    const Real fade2 = rows.fades == nullptr ? Real(1) : rows.fades[2 * k + 1];
    Index j = 0;
    for (; j < whole; j += kLanes) adam_lanes(n, kLanes, fade1, fade2, d + j, p + at + j, m + at + j, v + at + j);
    if (j < width) adam_lanes(n, width - j, fade1, fade2, d + j, p + at + j, m + at + j, v + at + j);
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
