// Compiler switches of the library. None of them changes a layout.
//
// Every name lives in `thaw::inline v0`, so that two versions of the library can share a program.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thaw/version.hpp"

#if defined(__CUDACC__)
#define THAW_HOST_DEVICE __host__ __device__
#else
#define THAW_HOST_DEVICE
#endif

// NaN marks what is missing and infinity what is masked; a compiler told that neither exists deletes the tests for
// them.
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "thaw needs NaN and infinity: add -fno-finite-math-only behind -ffast-math or -Ofast"
#endif

#define THAW_ALWAYS_INLINE inline __attribute__((always_inline))

#if defined(__cpp_exceptions)
#define THAW_HAS_EXCEPTIONS 1
#else
#define THAW_HAS_EXCEPTIONS 0
#endif

namespace thaw::inline v0 {

// A count or position of elements. Signed, so that differences are safe.
using Index = std::ptrdiff_t;

// Alignment of every block that the library hands out, in bytes: one cache line, one AVX-512 register.
inline constexpr std::size_t kAlignment = 64;

}  // namespace thaw::inline v0
