// Which vector instructions this processor has, asked once and then passed along.
//
//   const thaw::Isa isa = thaw::detect_isa();       // keep it in the context that computes
//   thaw::product(isa, shape, a, b, c, nullptr, scratch);
//
// Not a compile-time switch: every instruction set the compiler can emit is in the program, each in its own
// namespace behind target attributes, so neither -march nor a second build is needed.
#pragma once

#include "thaw/core/config.hpp"

#if (defined(__x86_64__) || defined(__i386__)) && defined(__SSE2__) && defined(__GNUC__) && !defined(__CUDACC__) && \
    !defined(THAW_PORTABLE_ONLY)
#define THAW_X86_KERNELS 1
#else
#define THAW_X86_KERNELS 0
#endif

#if THAW_X86_KERNELS
#define THAW_TARGET_AVX2 __attribute__((target("avx2,fma")))
#if defined(__clang__)
#define THAW_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"), min_vector_width(512)))
#else
#define THAW_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")))
#endif
#endif

// Loops over registers must disappear completely: a tile whose accumulators stay in memory runs at a third of the
// speed.
#if defined(__clang__)
#define THAW_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define THAW_UNROLL _Pragma("GCC unroll 32")
#else
#define THAW_UNROLL
#endif

// Loops that a compiler is to turn into vector code, at -O2 too: the attribute goes on the function, the pragma
// before the loop. `flatten` takes in functions of others, and contraction is off so that every width rounds alike.
#if defined(__clang__)
#define THAW_VECTORIZED __attribute__((flatten, noinline))
#define THAW_VECTOR_LOOP _Pragma("clang loop vectorize(assume_safety) interleave(disable)")
#elif defined(__GNUC__) && !defined(__CUDACC__)
#define THAW_VECTORIZED __attribute__((flatten, optimize("O3", "fp-contract=off")))
#define THAW_VECTOR_LOOP _Pragma("GCC ivdep")
#else
#define THAW_VECTORIZED
#define THAW_VECTOR_LOOP
#endif

namespace thaw::inline v0 {

// Ordered: each set contains those before it.
enum class Isa : std::uint8_t { portable = 0, avx2 = 1, avx512 = 2 };

// The best set of this processor and operating system.
inline Isa detect_isa() {
#if THAW_X86_KERNELS
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

}  // namespace thaw::inline v0
