// One pair of skip-gram with negative sampling, for one instruction set. Included by skip_gram.hpp; empty otherwise.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/backend/kernels/vector_math.hpp"
#include "thaw/graph/kernels/skip_gram_types.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

#define THAW_KERNEL_INLINE THAW_KERNEL_TARGET THAW_ALWAYS_INLINE

// The sum of all lanes by halves.
THAW_KERNEL_INLINE float sum_of_lanes(const typename Lanes<float>::Vector& v) {
#if THAW_KERNEL_BYTES == 64
  const auto half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto quarter =
      __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif THAW_KERNEL_BYTES == 32
  const auto quarter = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  const auto& quarter = v;
#endif
  const auto pair = quarter + __builtin_shufflevector(quarter, quarter, 2, 3, 0, 1);
  return pair[0] + pair[1];
}

// x: the row of the context, kVectors registers wide; rows: target first, then the negatives, all different from it.
template <int kVectors>
THAW_KERNEL_TARGET inline void pair_step(float* x, float* const* rows, int count, float rate) {
  using Vector = typename Lanes<float>::Vector;
  constexpr int kLanes = Lanes<float>::kCount;
  Vector in[kVectors], sum[kVectors] = {}, other;
  THAW_UNROLL
  for (int j = 0; j < kVectors; ++j) load(in[j], x + j * kLanes);
  float slope[kSkipGramTargets];
  for (int t = 0; t < count; ++t) {
    Vector dot = {};
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      load(other, rows[t] + j * kLanes);
      dot += in[j] * other;
    }
    slope[t] = sum_of_lanes(dot);
  }
  skip_gram_slopes(slope, count, rate);
  for (int t = 0; t < count; ++t) {
    const float g = slope[t];
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      load(other, rows[t] + j * kLanes);
      sum[j] += g * other;
      other += g * in[j];
      store(rows[t] + j * kLanes, other);
    }
  }
  THAW_UNROLL
  for (int j = 0; j < kVectors; ++j) {
    in[j] += sum[j];
    store(x + j * kLanes, in[j]);
  }
}

// The same for any width; `sum` (width) is scratch.
THAW_KERNEL_TARGET inline void pair_step_of_any_width(float* x, float* const* rows, int count, float rate, Index width,
                                                      float* sum) {
  float slope[kSkipGramTargets];
  for (int t = 0; t < count; ++t) {
    float dot = 0;
    for (Index j = 0; j < width; ++j) dot += x[j] * rows[t][j];
    slope[t] = dot;
  }
  skip_gram_slopes(slope, count, rate);
  for (Index j = 0; j < width; ++j) sum[j] = 0;
  for (int t = 0; t < count; ++t)
    for (Index j = 0; j < width; ++j) {
      sum[j] += slope[t] * rows[t][j];
      rows[t][j] += slope[t] * x[j];
    }
  for (Index j = 0; j < width; ++j) x[j] += sum[j];
}

// All contexts of one centre. The rows of the next pair are asked for while this one is computed.
template <int kVectors>
THAW_KERNEL_TARGET inline void window_step(const SkipGramWindow& w) {
  float* rows[kSkipGramTargets];
  rows[0] = w.output + w.centre * w.width;
  for (Index c = 0; c < w.contexts; ++c) {
    const std::int32_t* negative = w.negatives + (w.shared ? 0 : c * w.negative_count);
    int count = 1;
    for (int k = 0; k < w.negative_count; ++k)
      if (negative[k] != w.centre) rows[count++] = w.output + negative[k] * w.width;
    // Behind the last pair of a walk lies one more set of ids, so that this never reads beyond.
    for (int k = 0; k < (w.shared ? 0 : w.negative_count); ++k) {
      const float* next = w.output + negative[w.negative_count + k] * w.width;
      for (Index j = 0; j < w.width; j += 16) __builtin_prefetch(next + j, 1);
    }
    if constexpr (kVectors > 0)
      pair_step<kVectors>(w.input + w.context[c] * w.width, rows, count, w.rate);
    else
      pair_step_of_any_width(w.input + w.context[c] * w.width, rows, count, w.rate, w.width, w.scratch);
  }
}

THAW_KERNEL_TARGET inline void skip_gram_window(const SkipGramWindow& w) {
  constexpr Index kLanes = Lanes<float>::kCount;
  if (w.width == 2 * kLanes) return window_step<2>(w);
  if (w.width == 4 * kLanes) return window_step<4>(w);
  if (w.width == 8 * kLanes) return window_step<8>(w);
  window_step<0>(w);
}

#undef THAW_KERNEL_INLINE

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
