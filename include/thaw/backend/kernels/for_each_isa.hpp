// Includes the file named by THAW_KERNEL_FILE once for every instruction set, with these defined:
//
//   THAW_KERNEL_NAMESPACE   portable, avx2 or avx512, to be used inside `detail`
//   THAW_KERNEL_TARGET      the attribute that lets a function use the instructions
//   THAW_KERNEL_BYTES       of a vector register
//   THAW_KERNEL_ROWS        of a register tile of a product
//
// Not for a stranger to include: it is how product.hpp and the like get their kernels, and has no include guard.
#if defined(THAW_KERNEL_FILE)

#include "thaw/backend/kernels/isa.hpp"

// A function that calls a math library (any double version) stays a plain loop. That is no mistake of the caller's.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

#define THAW_KERNEL_NAMESPACE portable
#define THAW_KERNEL_TARGET
#define THAW_KERNEL_BYTES 16
#define THAW_KERNEL_ROWS 4
#include THAW_KERNEL_FILE
#undef THAW_KERNEL_NAMESPACE
#undef THAW_KERNEL_TARGET
#undef THAW_KERNEL_BYTES
#undef THAW_KERNEL_ROWS

#if THAW_X86_KERNELS
#define THAW_KERNEL_NAMESPACE avx2
#define THAW_KERNEL_TARGET THAW_TARGET_AVX2
#define THAW_KERNEL_BYTES 32
#define THAW_KERNEL_ROWS 6
#include THAW_KERNEL_FILE
#undef THAW_KERNEL_NAMESPACE
#undef THAW_KERNEL_TARGET
#undef THAW_KERNEL_BYTES
#undef THAW_KERNEL_ROWS

#define THAW_KERNEL_NAMESPACE avx512
#define THAW_KERNEL_TARGET THAW_TARGET_AVX512
#define THAW_KERNEL_BYTES 64
#define THAW_KERNEL_ROWS 12
#include THAW_KERNEL_FILE
#undef THAW_KERNEL_NAMESPACE
#undef THAW_KERNEL_TARGET
#undef THAW_KERNEL_BYTES
#undef THAW_KERNEL_ROWS
#endif

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#undef THAW_KERNEL_FILE
#endif
