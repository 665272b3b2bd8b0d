// The kernels of nearest_centroid.hpp for one instruction set; empty for anyone else.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/lanes.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

THAW_KERNEL_TARGET THAW_ALWAYS_INLINE float largest_lane(const typename Lanes<float>::Vector& v) {
  constexpr int kLanes = Lanes<float>::kCount;
  float lane[kLanes];
  store(lane, v);
  THAW_UNROLL
  for (int step = kLanes / 2; step > 0; step /= 2)
    for (int j = 0; j < step; ++j) lane[j] = lane[j] > lane[j + step] ? lane[j] : lane[j + step];
  return lane[0];
}

// For each row of `scores` (rows, columns) the largest number and its column, the first one of equals; with kSecond the
// largest number of any other column. `columns` is a multiple of 16.
template <bool kSecond>
THAW_KERNEL_TARGET inline void best_columns(Index rows, Index columns, const float* scores, std::int32_t* best,
                                            float* value, float* second) {
  using Vector = typename Lanes<float>::Vector;
  constexpr int kLanes = Lanes<float>::kCount;
  typedef std::int32_t Numbers __attribute__((vector_size(THAW_KERNEL_BYTES)));
  const Vector lowest = Vector{} - std::numeric_limits<float>::infinity();
  Numbers first;
  for (int j = 0; j < kLanes; ++j) first[j] = j;
  for (Index r = 0; r < rows; ++r, scores += columns) {
    Vector most, next, after = lowest;
    load(most, scores);
    Numbers at = first, number = first;
    for (Index c = kLanes; c < columns; c += kLanes) {
      load(next, scores + c);
      number += kLanes;
      const Numbers larger = next > most;
      if constexpr (kSecond) {
        const Vector smaller = larger ? most : next;
        after = smaller > after ? smaller : after;
      }
      most = larger ? next : most;
      at = larger ? number : at;
    }
    const float top = largest_lane(most);
    // The lowest number among the lanes that hold it; no branches.
    const Numbers candidate = most == Vector{} + top ? at : Numbers{} + 0x7fffffff;
    std::int32_t lane_at[kLanes];
    __builtin_memcpy(lane_at, &candidate, sizeof candidate);
    THAW_UNROLL
    for (int step = kLanes / 2; step > 0; step /= 2)
      for (int j = 0; j < step; ++j) lane_at[j] = lane_at[j] < lane_at[j + step] ? lane_at[j] : lane_at[j + step];
    best[r] = lane_at[0];
    value[r] = top;
    if constexpr (kSecond) {
      const Vector others = at == Numbers{} + lane_at[0] ? lowest : most;
      second[r] = largest_lane(others > after ? others : after);
    }
  }
}

// |x - c|^2 of two rows, without the cancellation of |x|^2 - 2 <x, c> + |c|^2.
THAW_KERNEL_TARGET THAW_ALWAYS_INLINE float squared_distance(Index width, const float* x, const float* c) {
  using Vector = typename Lanes<float>::Vector;
  constexpr Index kLanes = Lanes<float>::kCount;
  Vector sum[2] = {}, a, b;
  for (Index j = 0, turn = 0; j < width; j += kLanes, turn ^= 1) {
    const Index left = width - j < kLanes ? width - j : kLanes;
    load_part(a, x + j, left);
    load_part(b, c + j, left);
    a -= b;
    sum[turn] += a * a;
  }
  sum[0] += sum[1];
  float lane[kLanes];
  store(lane, sum[0]);
  for (Index step = kLanes / 2; step > 0; step /= 2)
    for (Index j = 0; j < step; ++j) lane[j] += lane[j + step];
  return lane[0];
}

// distance[i] = min(distance[i], |x_i - c|^2)
THAW_KERNEL_TARGET inline void lower_distances(Index rows, Index width, const float* x, const float* c,
                                               float* distance) {
  for (Index r = 0; r < rows; ++r) {
    const float d = squared_distance(width, x + r * width, c);
    if (d < distance[r]) distance[r] = d;
  }
}

// distance[i] = |x_i - c|^2 for the centroid named by nearest[i].
THAW_KERNEL_TARGET inline void own_distances(Index rows, Index width, const float* x, const std::int32_t* nearest,
                                             const float* centroids, float* distance) {
  for (Index r = 0; r < rows; ++r) distance[r] = squared_distance(width, x + r * width, centroids + nearest[r] * width);
}

// x_i is added to the row of `sums` named by nearest[i].
THAW_KERNEL_TARGET inline void add_rows(Index rows, Index width, const float* x, const std::int32_t* nearest,
                                        float* sums) {
  using Vector = typename Lanes<float>::Vector;
  constexpr Index kLanes = Lanes<float>::kCount;
  for (Index r = 0; r < rows; ++r, x += width) {
    float* const to = sums + nearest[r] * width;
    for (Index j = 0; j < width; j += kLanes) {
      const Index left = width - j < kLanes ? width - j : kLanes;
      Vector a, b;
      load_part(a, x + j, left);
      load_part(b, to + j, left);
      b += a;
      store_part(to + j, b, left);
    }
  }
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
