// Compiling for a world without NaN, as -ffast-math does: a rating "nan" or a diverged loss would go unnoticed.
// expect: thaw needs NaN and infinity: add -fno-finite-math-only behind -ffast-math or -Ofast
#if defined(MISTAKE)
#undef __FINITE_MATH_ONLY__
#define __FINITE_MATH_ONLY__ 1
#endif
#include <thaw/infer.hpp>
