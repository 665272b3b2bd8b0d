// Registers of one instruction set and how they reach memory. Included by lanes.hpp for each set; empty otherwise.
// Registers are vector-extension types that never cross a call by value, so that no calling convention depends on
// the instruction set.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/isa.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

template <class Real>
struct Lanes {
  typedef Real Vector __attribute__((vector_size(THAW_KERNEL_BYTES)));
  typedef Real Unaligned __attribute__((vector_size(THAW_KERNEL_BYTES), aligned(sizeof(Real)), may_alias));
  static constexpr int kCount = THAW_KERNEL_BYTES / static_cast<int>(sizeof(Real));
};

template <class Vector, class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void load(Vector& v, const Real* from) {
  v = *reinterpret_cast<const typename Lanes<Real>::Unaligned*>(from);
}
template <class Vector, class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void store(Real* to, const Vector& v) {
  *reinterpret_cast<typename Lanes<Real>::Unaligned*>(to) = v;
}

// The first `count` lanes from memory, zero in the others. Nothing behind them is touched.
template <class Vector, class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void load_part(Vector& v, const Real* from, Index count) {
#if THAW_KERNEL_BYTES == 64
  Vector zero = {};
  if constexpr (sizeof(Real) == 4)
    v = (Vector)__builtin_ia32_loadups512_mask(from, zero, static_cast<unsigned short>((1u << count) - 1u));
  else
    v = (Vector)__builtin_ia32_loadupd512_mask(from, zero, static_cast<unsigned char>((1u << count) - 1u));
#else
  constexpr int kLanes = static_cast<int>(sizeof(Vector) / sizeof(Real));
  if (count == kLanes) return load(v, from);
  Real part[kLanes] = {};
  for (Index i = 0; i < count; ++i) part[i] = from[i];
  load(v, part);
#endif
}
template <class Vector, class Real>
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE void store_part(Real* to, const Vector& v, Index count) {
#if THAW_KERNEL_BYTES == 64
  if constexpr (sizeof(Real) == 4)
    __builtin_ia32_storeups512_mask(to, v, static_cast<unsigned short>((1u << count) - 1u));
  else
    __builtin_ia32_storeupd512_mask(to, v, static_cast<unsigned char>((1u << count) - 1u));
#else
  constexpr int kLanes = static_cast<int>(sizeof(Vector) / sizeof(Real));
  if (count == kLanes) return store(to, v);
  Real part[kLanes];
  store(part, v);
  for (Index i = 0; i < count; ++i) to[i] = part[i];
#endif
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
