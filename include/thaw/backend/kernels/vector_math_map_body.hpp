// The loops of vector_math_map.hpp for one instruction set; empty for anyone else. A vector's worth of elements goes
// through a loop of constant length, which compilers turn into straight vector code, tails included.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/lanes.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// A vector's worth of elements, as an array: a loop over it can be vectorised, and functions may index it.
template <class Real>
struct Chunk {
  static constexpr int kCount = THAW_KERNEL_BYTES / static_cast<int>(sizeof(Real));
  alignas(THAW_KERNEL_BYTES) Real lane[kCount];
};

template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void read_chunk(Chunk<Real>& chunk, const Real* from) {
  __builtin_memcpy(chunk.lane, from, sizeof(chunk.lane));
}
template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void read_chunk(Chunk<Real>& chunk, const Real* from, Index count) {
  typename Lanes<Real>::Vector v;
  load_part(v, from, count);
  store(chunk.lane, v);
}
template <class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void write_chunk(const Chunk<Real>& chunk, Real* to, Index count) {
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
    read_chunk(a, x + i);
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j]);
    __builtin_memcpy(y + i, out.lane, sizeof(out.lane));
  }
  if (i == n) return;
  read_chunk(a, x + i, n - i);
  THAW_VECTOR_LOOP
  for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j]);
  write_chunk(out, y + i, n - i);
}

template <class F, class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void zip(Index n, const Real* x, const Real* z, Real* y, const F& f) {
  constexpr int kLanes = Chunk<Real>::kCount;
  const F function = f;
  Index i = 0;
  Chunk<Real> a, b, out;
  for (; i + kLanes <= n; i += kLanes) {
    read_chunk(a, x + i);
    read_chunk(b, z + i);
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j]);
    __builtin_memcpy(y + i, out.lane, sizeof(out.lane));
  }
  if (i == n) return;
  read_chunk(a, x + i, n - i);
  read_chunk(b, z + i, n - i);
  THAW_VECTOR_LOOP
  for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j]);
  write_chunk(out, y + i, n - i);
}

template <class F, class Real>
THAW_KERNEL_TARGET THAW_VECTORIZED void zip(Index n, const Real* x, const Real* z, const Real* w, Real* y, const F& f) {
  constexpr int kLanes = Chunk<Real>::kCount;
  const F function = f;
  Chunk<Real> a, b, c, out;
  for (Index i = 0; i < n; i += kLanes) {
    const bool whole = i + kLanes <= n;
    if (whole) {
      read_chunk(a, x + i);
      read_chunk(b, z + i);
      read_chunk(c, w + i);
    } else {
      read_chunk(a, x + i, n - i);
      read_chunk(b, z + i, n - i);
      read_chunk(c, w + i, n - i);
    }
    THAW_VECTOR_LOOP
    for (int j = 0; j < kLanes; ++j) out.lane[j] = function.value(a.lane[j], b.lane[j], c.lane[j]);
    if (whole)
      __builtin_memcpy(y + i, out.lane, sizeof(out.lane));
    else
      write_chunk(out, y + i, n - i);
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
