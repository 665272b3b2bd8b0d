// Scalar functions over arrays: y[i] = F(x[i]), F(x[i], z[i]), F(x[i], z[i], w[i]).
//
//   thaw::map<thaw::Tanh>(isa, n, x, y);                 // y may be x
//   thaw::zip<Product>(isa, n, x, z, y);                 // struct Product { static V value(V a, V b); }
//   thaw::map(isa, n, x, y, Clip{0.5f});                 // a function with settings: `V value(V x) const`
//
// Any type with a `value` works, also one defined after this header; see vector_math.hpp for how to write one that
// becomes vector code. Not for rows or sums: see vector_math_rows.hpp. y may be an input itself, but must not
// overlap one otherwise.
#pragma once

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/vector_math.hpp"

#define THAW_KERNEL_FILE "thaw/backend/kernels/vector_math_map_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

// Calls the kernel of the given set: THAW_DISPATCH(isa, map(n, x, y)).
#if THAW_X86_KERNELS
#define THAW_DISPATCH(isa, ...)                                       \
  ((isa) == ::thaw::Isa::avx512 ? ::thaw::detail::avx512::__VA_ARGS__ \
   : (isa) == ::thaw::Isa::avx2 ? ::thaw::detail::avx2::__VA_ARGS__   \
                                : ::thaw::detail::portable::__VA_ARGS__)
#else
#define THAW_DISPATCH(isa, ...) (static_cast<void>(isa), ::thaw::detail::portable::__VA_ARGS__)
#endif

namespace thaw::inline v0 {

// y (n) = F(x (n))
template <class F, class Real>
void map(Isa isa, Index n, const Real* x, Real* y, const F& function = F{}) {
  THAW_DISPATCH(isa, map(n, x, y, function));
}
// y (n) = F(x (n), z (n))
template <class F, class Real>
void zip(Isa isa, Index n, const Real* x, const Real* z, Real* y, const F& function = F{}) {
  THAW_DISPATCH(isa, zip(n, x, z, y, function));
}
// y (n) = F(x (n), z (n), w (n))
template <class F, class Real>
void zip(Isa isa, Index n, const Real* x, const Real* z, const Real* w, Real* y, const F& function = F{}) {
  THAW_DISPATCH(isa, zip(n, x, z, w, y, function));
}

}  // namespace thaw::inline v0
