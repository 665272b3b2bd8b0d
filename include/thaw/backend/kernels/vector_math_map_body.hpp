// The loops of vector_math_map.hpp for one instruction set; empty for anyone else. A vector's worth of elements goes
// through a loop of constant length, which compilers turn into straight vector code, tails included.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/lanes.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// A vector's worth of elements. Loops go over `lane`; memory is reached through `whole`, in one move, because a copy
// of bytes may be split into halves that a processor cannot forward to a full-width load.
template <class Real>
union Chunk {
  static constexpr int kCount = Lanes<Real>::kCount;
  typename Lanes<Real>::Vector whole;
  Real lane[kCount];
};

template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void read_part(Chunk<Real>& chunk, const Real* from, Index count) {
  typename Lanes<Real>::Vector v;
  load_part(v, from, count);
  store(chunk.lane, v);
}
template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void write_part(const Chunk<Real>& chunk, Real* to, Index count) {
  typename Lanes<Real>::Vector v;
  load(v, chunk.lane);
  store_part(to, v, count);
}

template <class F, class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void map(Index n, const Real* x, Real* y, const F& f) {
  constexpr int kLanes = Chunk<Real>::kCount;
  const F function = f;  // its settings cannot change under a store to y
  Index i = 0;
  Chunk<Real> a, out;
  for (; i + kLanes <= n; i += kLanes) {
    load(a.whole, x + i);
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j]);
    store(y + i, out.whole);
  }
  if (i == n) return;
  read_part(a, x + i, n - i);
  THAW_VECTOR_LOOP
  for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j]);
  write_part(out, y + i, n - i);
}

template <class F, class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void zip(Index n, const Real* x, const Real* z, Real* y, const F& f) {
  constexpr int kLanes = Chunk<Real>::kCount;
  const F function = f;
  Index i = 0;
  Chunk<Real> a, b, out;
  for (; i + kLanes <= n; i += kLanes) {
    load(a.whole, x + i);
    load(b.whole, z + i);
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j]);
    store(y + i, out.whole);
  }
  if (i == n) return;
  read_part(a, x + i, n - i);
  read_part(b, z + i, n - i);
  THAW_VECTOR_LOOP
  for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j]);
  write_part(out, y + i, n - i);
}

template <class F, class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void zip(Index n, const Real* x, const Real* z, const Real* w, Real* y, const F& f) {
  constexpr int kLanes = Chunk<Real>::kCount;
  const F function = f;
  Chunk<Real> a, b, c, out;
  for (Index i = 0; i < n; i += kLanes) {
    const bool whole = i + kLanes <= n;
    if (whole) {
      load(a.whole, x + i);
      load(b.whole, z + i);
      load(c.whole, w + i);
    } else {
      read_part(a, x + i, n - i);
      read_part(b, z + i, n - i);
      read_part(c, w + i, n - i);
    }
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j], c.lane[j]);
    if (whole)
      store(y + i, out.whole);
    else
      write_part(out, y + i, n - i);
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
