// The kernels of vector_math_rows.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

#define THAW_KERNEL THAW_KERNEL_TARGET THAW_VECTORIZED inline
#define THAW_KERNEL_INLINE THAW_KERNEL_TARGET THAW_ALWAYS_INLINE

inline constexpr Index kSumBlock = 16 * THAW_KERNEL_BYTES;  // elements added in one precision before double takes over

template <class Real>
THAW_KERNEL_INLINE Index lanes_left(Index n) {
  return n < Lanes<Real>::kCount ? n : Index(Lanes<Real>::kCount);
}

// v = F(v), lane by lane.
template <class F, class Real, class Vector>
THAW_KERNEL_INLINE void apply(Vector& v) {
  Chunk<Real> in, out;
  in.whole = v;
  THAW_VECTOR_LOOP
  for (int j = 0; j < Lanes<Real>::kCount; ++j) out.lane[j] = F::value(in.lane[j]);
  v = out.whole;
}

template <class Real, class Vector>
THAW_KERNEL_INLINE Real lane_sum(const Vector& v) {
  Real lane[Lanes<Real>::kCount];
  store(lane, v);
  for (int step = Lanes<Real>::kCount / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lane[i] += lane[i + step];
  return lane[0];
}
template <class Real, class Vector>
THAW_KERNEL_INLINE Real lane_max(const Vector& v) {
  Real lane[Lanes<Real>::kCount];
  store(lane, v);
  for (int step = Lanes<Real>::kCount / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lane[i] = lane[i + step] > lane[i] ? lane[i + step] : lane[i];
  return lane[0];
}

// Lanes from `count` on become `other`.
template <class Real, class Vector>
THAW_KERNEL_INLINE void fill_tail(Vector& v, Index count, Real other) {
  constexpr int kLanes = Lanes<Real>::kCount;
  if (count == kLanes) return;
  Real lane[kLanes];
  store(lane, v);
  for (int j = 0; j < kLanes; ++j) lane[j] = j < count ? lane[j] : other;
  load(v, lane);
}

template <class Real>
THAW_KERNEL Real dot(Index n, const Real* x, const Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  double total = 0;
  for (Index begin = 0; begin < n; begin += kSumBlock) {
    const Index end = begin + kSumBlock < n ? begin + kSumBlock : n;
    Vector part[4] = {}, a, b;
    Index i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      THAW_UNROLL
      for (int j = 0; j < 4; ++j) {
        load(a, x + i + j * kLanes);
        load(b, y + i + j * kLanes);
        part[j] += a * b;
      }
    }
    for (; i < end; i += kLanes) {
      load_part(a, x + i, lanes_left<Real>(end - i));
      load_part(b, y + i, lanes_left<Real>(end - i));
      part[0] += a * b;
    }
    part[0] = (part[0] + part[1]) + (part[2] + part[3]);
    total += static_cast<double>(lane_sum<Real>(part[0]));
  }
  return static_cast<Real>(total);
}

template <class Real>
THAW_KERNEL Real sum(Index n, const Real* x) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  double total = 0;
  for (Index begin = 0; begin < n; begin += kSumBlock) {
    const Index end = begin + kSumBlock < n ? begin + kSumBlock : n;
    Vector part[4] = {}, a;
    Index i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      THAW_UNROLL
      for (int j = 0; j < 4; ++j) {
        load(a, x + i + j * kLanes);
        part[j] += a;
      }
    }
    for (; i < end; i += kLanes) {
      load_part(a, x + i, lanes_left<Real>(end - i));
      part[0] += a;
    }
    part[0] = (part[0] + part[1]) + (part[2] + part[3]);
    total += static_cast<double>(lane_sum<Real>(part[0]));
  }
  return static_cast<Real>(total);
}

template <class Real>
THAW_KERNEL void affine(Index n, Real scale, Real shift, const Real* x, Real* y) {
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) y[i] = fused(scale, x[i], shift);
}
template <class Real>
THAW_KERNEL void axpy(Index n, Real scale, const Real* x, Real* y) {
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) y[i] = fused(scale, x[i], y[i]);
}
template <class Real>
THAW_KERNEL void fill(Index n, Real value, Real* y) {
  THAW_VECTOR_LOOP
  for (Index i = 0; i < n; ++i) y[i] = value;
}

// One register of columns over all rows: blocks of rows first, their totals in a second register.
template <class Real>
THAW_KERNEL void sum_over_rows(Index rows, Index columns, const Real* x, bool accumulate, Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
    const Index count = lanes_left<Real>(columns - j);
    Vector total = {}, v;
    if (accumulate) load_part(total, y + j, count);
    for (Index begin = 0; begin < rows; begin += 128) {
      const Index end = begin + 128 < rows ? begin + 128 : rows;
      Vector part[2] = {};
      Index r = begin;
      for (; r + 2 <= end; r += 2) {
        load_part(v, x + r * columns + j, count);
        part[0] += v;
        load_part(v, x + (r + 1) * columns + j, count);
        part[1] += v;
      }
      if (r < end) {
        load_part(v, x + r * columns + j, count);
        part[0] += v;
      }
      total += part[0] + part[1];
    }
    store_part(y + j, total, count);
  }
}

// y = x + bias; the greatest element is returned. A NaN passes into y and is skipped here.
template <class Real>
THAW_KERNEL_INLINE Real add_bias(Index columns, const Real* x, const Real* bias, Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  const Real low = static_cast<Real>(-__builtin_inf());
  Vector most = Vector{} + low, v, b;
  for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
    const Index count = lanes_left<Real>(columns - j);
    load_part(v, x + j, count);
    if (bias != nullptr) {
      load_part(b, bias + j, count);
      v += b;
      store_part(y + j, v, count);
    }
    fill_tail(v, count, low);
    most = v > most ? v : most;
  }
  return lane_max<Real>(most);
}

template <class Real>
THAW_KERNEL void softmax_rows(Index rows, Index columns, const Real* x, const Real* bias, Index bias_stride, Real* y) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, x += columns, y += columns) {
    const Real most = add_bias(columns, x, bias == nullptr ? nullptr : bias + r * bias_stride, y);
    const Real* from = bias == nullptr ? x : y;
    Vector total = {}, v;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, from + j, count);
      v -= most;
      fill_tail(v, count, static_cast<Real>(-__builtin_inf()));
      apply<Exp, Real>(v);
      store_part(y + j, v, count);
      total += v;
    }
    const Real inverse = Real(1) / lane_sum<Real>(total);
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, y + j, count);
      v *= inverse;
      store_part(y + j, v, count);
    }
  }
}

template <class Real>
THAW_KERNEL void softmax_rows_backward(Index rows, Index columns, const Real* y, const Real* g, Real* d_x) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, y += columns, g += columns, d_x += columns) {
    Vector total = {}, a, b;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(a, y + j, count);
      load_part(b, g + j, count);
      total += a * b;
    }
    const Real mean = lane_sum<Real>(total);
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(a, y + j, count);
      load_part(b, g + j, count);
      b = a * (b - mean);
      store_part(d_x + j, b, count);
    }
  }
}

// The mean of a row and 1 / sqrt(its variance + epsilon), in two passes.
template <class Real>
THAW_KERNEL_INLINE void row_moments(Index columns, Real epsilon, const Real* x, Real& mean, Real& deviation) {
  using Vector = typename Lanes<Real>::Vector;
  Vector total = {}, v;
  for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
    load_part(v, x + j, lanes_left<Real>(columns - j));
    total += v;
  }
  mean = lane_sum<Real>(total) / static_cast<Real>(columns);
  total = Vector{};
  for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
    const Index count = lanes_left<Real>(columns - j);
    load_part(v, x + j, count);
    v -= mean;
    fill_tail(v, count, Real(0));
    total += v * v;
  }
  deviation = Rsqrt::value(lane_sum<Real>(total) / static_cast<Real>(columns) + epsilon);
}

template <class Real>
THAW_KERNEL void layer_norm_rows(Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                                 const Real* shift, Real* y, Real* mean, Real* deviation) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, x += columns, y += columns) {
    Real centre, inverse;
    row_moments(columns, epsilon, x, centre, inverse);
    if (mean != nullptr) mean[r] = centre;
    if (deviation != nullptr) deviation[r] = inverse;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      Vector v, w, b;
      load_part(v, x + j, count);
      load_part(w, weight + j, count);
      load_part(b, shift + j, count);
      v = (v - centre) * inverse * w + b;
      store_part(y + j, v, count);
    }
  }
}

template <class Real>
THAW_KERNEL void layer_norm_rows_backward(Index rows, Index columns, Real epsilon, const Real* x, const Real* weight,
                                          const Real* g, const Real* mean, const Real* deviation, Real* d_x,
                                          Real* d_weight, Real* d_shift) {
  using Vector = typename Lanes<Real>::Vector;
  for (Index r = 0; r < rows; ++r, x += columns, g += columns, d_x += columns) {
    Real centre, inverse;
    if (mean == nullptr || deviation == nullptr)
      row_moments(columns, epsilon, x, centre, inverse);
    else
      centre = mean[r], inverse = deviation[r];
    Vector sums = {}, dots = {}, v, w, u, t;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, x + j, count);
      load_part(u, g + j, count);
      load_part(w, weight + j, count);
      v = (v - centre) * inverse;
      load_part(t, d_shift + j, count);
      t += u;
      store_part(d_shift + j, t, count);
      load_part(t, d_weight + j, count);
      t += u * v;
      store_part(d_weight + j, t, count);
      sums += u * w;
      dots += u * w * v;
    }
    const Real n = static_cast<Real>(columns);
    const Real offset = lane_sum<Real>(sums) / n, slope = lane_sum<Real>(dots) / n;
    for (Index j = 0; j < columns; j += Lanes<Real>::kCount) {
      const Index count = lanes_left<Real>(columns - j);
      load_part(v, x + j, count);
      load_part(u, g + j, count);
      load_part(w, weight + j, count);
      v = (v - centre) * inverse;
      v = (u * w - offset - v * slope) * inverse;
      store_part(d_x + j, v, count);
    }
  }
}

inline constexpr int kCallsAbreast = 16;

// The decisions of 16 consecutive Philox calls, eight 16-bit values each, in the order of the columns.
THAW_KERNEL_INLINE void dropout_values(const DropoutRule& rule, std::uint64_t first_call,
                                       std::uint32_t (&value)[8 * kCallsAbreast]) {
  std::uint32_t a[kCallsAbreast], b[kCallsAbreast], c[kCallsAbreast], d[kCallsAbreast];
  for (int i = 0; i < kCallsAbreast; ++i) {
    const std::uint64_t call = first_call + static_cast<std::uint64_t>(i);
    a[i] = static_cast<std::uint32_t>(call);
    b[i] = static_cast<std::uint32_t>(call >> 32);
    c[i] = rule.site;
    d[i] = 0;
  }
  std::uint32_t key0 = static_cast<std::uint32_t>(rule.key.bits),
                key1 = static_cast<std::uint32_t>(rule.key.bits >> 32);
  for (int round = 0; round < 10; ++round) {
    THAW_VECTOR_LOOP
    for (int i = 0; i < kCallsAbreast; ++i) {
      const std::uint64_t p0 = 0xD2511F53ull * a[i], p1 = 0xCD9E8D57ull * c[i];
      a[i] = static_cast<std::uint32_t>(p1 >> 32) ^ b[i] ^ key0;
      b[i] = static_cast<std::uint32_t>(p1);
      c[i] = static_cast<std::uint32_t>(p0 >> 32) ^ d[i] ^ key1;
      d[i] = static_cast<std::uint32_t>(p0);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int i = 0; i < kCallsAbreast; ++i) {
    const std::uint32_t word[4] = {a[i], b[i], c[i], d[i]};
    for (int q = 0; q < 4; ++q) {
      value[8 * i + 2 * q] = word[q] & 0xffffu;
      value[8 * i + 2 * q + 1] = word[q] >> 16;
    }
  }
}

template <class Real>
THAW_KERNEL void dropout_rows(const DropoutRule& rule, Index first_row, Index rows, Index columns, const Real* x,
                              Real* y) {
  const Real scale = static_cast<Real>(rule.scale());
  const std::uint32_t threshold = rule.threshold;
  Index calls = (columns + 7) / 8;  // of a row
  std::uint64_t call = static_cast<std::uint64_t>(first_row) * static_cast<std::uint64_t>(calls);
  if (columns % 8 == 0) {  // calls and elements run on from row to row
    columns *= rows;
    calls *= rows;
    rows = rows > 0 ? 1 : 0;
  }
  std::uint32_t value[8 * kCallsAbreast];
  for (Index r = 0; r < rows; ++r, x += columns, y += columns, call += static_cast<std::uint64_t>(calls))
    for (Index begin = 0; begin < columns; begin += 8 * kCallsAbreast) {
      dropout_values(rule, call + static_cast<std::uint64_t>(begin / 8), value);
      const Index left = columns - begin, count = left < 8 * kCallsAbreast ? left : 8 * kCallsAbreast;
      const Real* from = x + begin;
      Real* to = y + begin;
      THAW_VECTOR_LOOP
      for (Index j = 0; j < count; ++j) {
        const Real kept = from[j] * scale;
        to[j] = value[j] < threshold ? Real(0) : kept;
      }
    }
}

#undef THAW_KERNEL
#undef THAW_KERNEL_INLINE

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
