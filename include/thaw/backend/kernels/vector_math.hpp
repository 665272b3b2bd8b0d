// Scalar functions written once: Exp, Log, Tanh, Sigmoid, Erf, Gelu, ... for float and double.
//
//   float y = thaw::Exp::value(0.5f);               // one number, also on a device without a math library
//   thaw::map<thaw::Exp>(isa, n, x, y);             // an array, with vector_math_map.hpp
//
//   struct Swish {                                  // a new one, written once, runs on vectors too
//     template <class V>
//     THAW_SCALAR_FUNCTION V value(V x) { return x * thaw::Sigmoid::value(x); }
//   };
//
// The float versions are branch-free polynomials, so that a compiler turns a loop over them into vector code, and
// they use explicit fused multiply-adds, so that the result is the same bit for bit at any width. (Without hardware
// for those, x86 calls the exact `fmaf` of its C library, and other machines round twice.) In a new function write
// `choose(condition, a, b)` where both sides cost something, and `fused(a, b, c)` where a * b + c must round
// the same everywhere. Double versions call the C library by the compiler's
// own names for it, because <cmath> is half of what including a scoring program costs. Not a replacement for <cmath>:
// no errno, no exception flags.
#pragma once

#include "thaw/backend/kernels/isa.hpp"

#define THAW_SCALAR_FUNCTION THAW_HOST_DEVICE static THAW_ALWAYS_INLINE

namespace thaw::inline v0 {

// a * b + c with one rounding for float, wherever the machine or its C library can.
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float fused(float a, float b, float c) {
#if THAW_X86_KERNELS || defined(__FP_FAST_FMAF) || defined(__ARM_FEATURE_FMA) || defined(__FMA__) || \
    defined(__CUDA_ARCH__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
THAW_HOST_DEVICE THAW_ALWAYS_INLINE double fused(double a, double b, double c) { return a * b + c; }

// condition ? a : b without a branch, which keeps a loop vectorisable.
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float choose(bool condition, float a, float b) {
  const std::int32_t mask = -static_cast<std::int32_t>(condition);
  return __builtin_bit_cast(
      float, (__builtin_bit_cast(std::int32_t, a) & mask) | (__builtin_bit_cast(std::int32_t, b) & ~mask));
}
THAW_HOST_DEVICE THAW_ALWAYS_INLINE double choose(bool condition, double a, double b) { return condition ? a : b; }

namespace detail {

inline constexpr float kInfinity = __builtin_inff();

THAW_HOST_DEVICE THAW_ALWAYS_INLINE std::int32_t bits_of(float x) { return __builtin_bit_cast(std::int32_t, x); }
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float float_of(std::int32_t bits) { return __builtin_bit_cast(float, bits); }
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float magnitude(float x) { return float_of(bits_of(x) & 0x7fffffff); }
// a - b for bit patterns, which may wrap.
THAW_HOST_DEVICE THAW_ALWAYS_INLINE std::int32_t bits_minus(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
}
// |x| with the sign of `sign`.
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float with_sign(float x, float sign) {
  return float_of((bits_of(x) & 0x7fffffff) | (bits_of(sign) & static_cast<std::int32_t>(0x80000000u)));
}

// 1 / sqrt(x) for 2^-100 < x < infinity, by three Newton steps, not yet rounded well.
THAW_HOST_DEVICE THAW_ALWAYS_INLINE float rough_reciprocal_root(float x) {
  const float half = 0.5f * x;
  float y = float_of(bits_minus(0x5f375a86, bits_of(x) >> 1));
  for (int step = 0; step < 3; ++step) {
    const float square = y * y;
    y = y * fused(-half, square, 1.5f);
  }
  return y;
}

}  // namespace detail

// e^x. At most 1 ulp; overflows to infinity, underflows through the denormals to zero.
struct Exp {
  THAW_SCALAR_FUNCTION float value(float x) {
    float inside = x < -104.0f ? -104.0f : x;
    inside = inside > 89.0f ? 89.0f : inside;
    const float shifted = fused(inside, 1.44269504f, 12582912.0f);  // rounds to an integer in the low bits
    const float n = shifted - 12582912.0f;
    float r = fused(n, -0.693359375f, inside);
    r = fused(n, 2.12194440e-4f, r);
    float p = 1.98992998e-4f;
    p = fused(p, r, 1.39336626e-3f);
    p = fused(p, r, 8.33329838e-3f);
    p = fused(p, r, 4.16664630e-2f);
    p = fused(p, r, 1.66666672e-1f);
    p = fused(p, r, 0.5f);
    const float square = r * r;
    p = fused(p, square, r) + 1.0f;
    // 2^n in two factors, neither of which leaves the range.
    const std::int32_t whole = detail::bits_minus(detail::bits_of(shifted), 0x4b400000), half = whole >> 1;
    return p * detail::float_of((half + 127) << 23) * detail::float_of((whole - half + 127) << 23);
  }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_exp(x); }
};

// The natural logarithm. At most 1 ulp; log(0) is -infinity, of a negative number NaN.
struct Log {
  THAW_SCALAR_FUNCTION float value(float x) {
    const bool subnormal = x < 1.17549435e-38f;
    const float scaled = x * 8388608.0f;
    const float a = choose(subnormal, scaled, x);
    const std::int32_t exponent =
        detail::bits_minus(detail::bits_of(a), 0x3f2aaaab) & static_cast<std::int32_t>(0xff800000u);
    const float m = detail::float_of(detail::bits_minus(detail::bits_of(a), exponent)) - 1.0f;
    const float i = fused(static_cast<float>(exponent), 1.19209290e-7f, choose(subnormal, -23.0f, 0.0f));
    const float s = m * m;
    float r = fused(-0.130310059f, s, -0.121483512f), t = fused(0.140869141f, s, 0.139814854f);
    r = fused(r, s, -0.166846126f);
    t = fused(t, s, 0.200120345f);
    r = fused(r, s, -0.249996200f);
    r = fused(t, m, r);
    r = fused(r, m, 0.333331972f);
    r = fused(r, m, -0.5f);
    r = fused(r, s, m);
    r = fused(i, 0.693147182f, r);
    r = choose(x == 0.0f, -detail::kInfinity, r);
    r = choose(x < 0.0f, __builtin_nanf(""), r);
    return choose(x < detail::kInfinity, r, x + x);  // infinity and NaN
  }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_log(x); }
};

struct Tanh {
  THAW_SCALAR_FUNCTION float value(float x) {
    const float t = detail::magnitude(x), s = x * x;
    float p = 2.29585357e-3f;
    p = fused(p, s, -8.34699720e-3f);
    p = fused(p, s, 2.17699688e-2f);
    p = fused(p, s, -5.39594069e-2f);
    p = fused(p, s, 1.33333042e-1f);
    p = fused(p, s, -3.33333343e-1f);
    p = fused(p * s, x, x);
    const float large = fused(-2.0f, 1.0f / (Exp::value(t + t) + 1.0f), 1.0f);
    return choose(t > 0.625f, detail::with_sign(large, x), p);
  }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_tanh(x); }
};

// 1 / (1 + e^-x), exact to the last denormal on the left.
struct Sigmoid {
  THAW_SCALAR_FUNCTION float value(float x) {
    const float e = Exp::value(-detail::magnitude(x));
    const float top = choose(x < 0.0f, e, 1.0f);
    return top / (1.0f + e);
  }
  THAW_SCALAR_FUNCTION double value(double x) {
    const double e = __builtin_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1.0) / (1.0 + e);
  }
};

struct Erf {
  THAW_SCALAR_FUNCTION float value(float x) {
    const float t = detail::magnitude(x), s = x * x;
    const float near_s = t > 4.0f ? 16.0f : s, near_t = t > 4.0f ? 4.0f : t;
    float r = fused(-1.72853470e-5f, near_t, 3.83197126e-4f);
    r = fused(r, near_s, fused(-3.88396438e-3f, near_t, 2.42546219e-2f));
    r = fused(r, near_t, -1.06777877e-1f);
    r = fused(r, near_t, -6.34846687e-1f);
    r = fused(r, near_t, -1.28717512e-1f);
    r = fused(r, near_t, -near_t);
    const float large = 1.0f - Exp::value(r);
    float p = -5.96761703e-4f;
    p = fused(p, s, 4.99119423e-3f);
    p = fused(p, s, -2.67681349e-2f);
    p = fused(p, s, 1.12819925e-1f);
    p = fused(p, s, -3.76125336e-1f);
    p = fused(p, s, 1.28379166e-1f);
    p = fused(p, x, x);
    return choose(t > 0.921875f, detail::with_sign(large, x), p);
  }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_erf(x); }
};

// x * P(normal < x), the exact form. The error is relative to |x|, as 1 + erf cancels on the left.
struct Gelu {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    const V inside = choose(x < V(-40), V(-40), x);  // where the result is zero, and -infinity would give NaN
    const V half = V(0.5) * inside;
    return fused(half, Erf::value(inside * V(0.70710678118654752440)), half);
  }
};

struct GeluDerivative {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    const V cumulative = fused(V(0.5), Erf::value(x * V(0.70710678118654752440)), V(0.5));
    const V half = V(-0.5) * x;
    const V density = V(0.39894228040143267794) * Exp::value(half * x);
    return fused(choose(density > V(0), x, V(0)), density, cumulative);
  }
};

// NaN stays NaN.
struct Relu {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    return x < V(0) ? V(0) : x;
  }
};

// Correctly rounded.
struct Sqrt {
  THAW_SCALAR_FUNCTION float value(float x) {
    const bool tiny = x < 0x1p-100f;
    const float a = choose(tiny, x * 0x1p60f, x);
    const float y = detail::rough_reciprocal_root(a);
    float root = a * y;
    const float rest = fused(-root, root, a);
    root = fused(rest, 0.5f * y, root);
    root = root * choose(tiny, 0x1p-30f, 1.0f);
    root = choose(x < 0.0f, __builtin_nanf(""), root);
    const bool itself = (x == 0.0f) | !(x < detail::kInfinity);
    return choose(itself, x, root);
  }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_sqrt(x); }
};

// 1 / sqrt(x)
struct Rsqrt {
  THAW_SCALAR_FUNCTION float value(float x) {
    const bool tiny = x < 0x1p-100f;
    const float a = choose(tiny, x * 0x1p60f, x);
    float y = detail::rough_reciprocal_root(a);
    const float root = a * y;
    const float rest = fused(-root, y, 1.0f);
    y = fused(0.5f * y, rest, y);
    y = y * choose(tiny, 0x1p30f, 1.0f);
    y = choose(x < 0.0f, __builtin_nanf(""), y);
    y = choose(x == 0.0f, detail::with_sign(detail::kInfinity, x), y);
    y = choose(x == detail::kInfinity, 0.0f, y);
    return choose(x == x, y, x);
  }
  THAW_SCALAR_FUNCTION double value(double x) { return 1.0 / __builtin_sqrt(x); }
};

struct Reciprocal {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    return V(1) / x;
  }
};

struct Square {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    return x * x;
  }
};

struct Abs {
  THAW_SCALAR_FUNCTION float value(float x) { return detail::magnitude(x); }
  THAW_SCALAR_FUNCTION double value(double x) { return __builtin_fabs(x); }
};

// log(1 + e^x), accurate on the left too, where it is nearly e^x.
struct Softplus {
  THAW_SCALAR_FUNCTION float value(float x) {
    const float e = Exp::value(-detail::magnitude(x)), u = 1.0f + e, shift = u - 1.0f;
    const float corrected = Log::value(u) * (e / choose(shift == 0.0f, 1.0f, shift));
    return (x < 0.0f ? 0.0f : x) + choose(shift == 0.0f, e, corrected);
  }
  THAW_SCALAR_FUNCTION double value(double x) {
    return (x < 0 ? 0 : x) + __builtin_log1p(__builtin_exp(-__builtin_fabs(x)));
  }
};

}  // namespace thaw::inline v0
