// Sums of table rows over the neighbours of each node, for one instruction set. Included by propagate.hpp for each set.
#if defined(THAW_KERNEL_NAMESPACE)

#include "thaw/backend/kernels/lanes.hpp"
#include "thaw/graph/kernels/sum_neighbours_types.hpp"

namespace thaw::inline v0 {
namespace detail::THAW_KERNEL_NAMESPACE {

// Columns `first` .. of the rows, kVectors registers, `last` lanes in the last one. With kScaled every row of the table
// is multiplied by its own scale first.
template <class Real, int kVectors, bool kScaled>
THAW_KERNEL_TARGET inline void sum_columns(const NeighbourSums<Real>& s, Index first, Index last) {
  using Vector = typename Lanes<Real>::Vector;
  constexpr Index kLanes = Lanes<Real>::kCount;
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(Real));
  const Real* const table = s.table + first;
  Real* out = s.out + first;
  const std::int32_t* const ids = s.ids;
  for (Index r = s.begin; r < s.end; ++r, out += s.stride) {
    Vector sum[kVectors] = {}, next;
    for (std::int64_t e = s.offsets[r]; e < s.offsets[r + 1]; ++e) {
      const Real* const row = table + ids[e] * s.stride;
      const Real* const ahead = table + ids[e + kNeighboursAhead] * s.stride;
      for (Index j = 0; j < kVectors * kLanes; j += kLine) __builtin_prefetch(ahead + j);
      const Real scale = kScaled ? s.scale[ids[e]] : Real(1);
      THAW_UNROLL
      for (int j = 0; j + 1 < kVectors; ++j) {
        load(next, row + j * kLanes);
        if constexpr (kScaled) next *= scale;
        sum[j] += next;
      }
      load_part(next, row + (kVectors - 1) * kLanes, last);
      if constexpr (kScaled) next *= scale;
      sum[kVectors - 1] += next;
    }
    const Real factor = s.factor[r];
    THAW_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      sum[j] *= factor;
      store_part(out + j * kLanes, sum[j], j + 1 < kVectors ? kLanes : last);
    }
  }
}

template <class Real, bool kScaled>
THAW_KERNEL_TARGET inline void sum_neighbours_with(const NeighbourSums<Real>& s) {
  constexpr Index kLanes = Lanes<Real>::kCount;
  for (Index first = 0; first < s.width;) {
    const Index left = s.width - first;
    if (left > 3 * kLanes) {
      const Index taken = left < 4 * kLanes ? left : 4 * kLanes;
      sum_columns<Real, 4, kScaled>(s, first, taken - 3 * kLanes);
      first += taken;
    } else if (left > kLanes) {
      const Index taken = left < 2 * kLanes ? left : 2 * kLanes;
      sum_columns<Real, 2, kScaled>(s, first, taken - kLanes);
      first += taken;
    } else {
      sum_columns<Real, 1, kScaled>(s, first, left);
      first += left;
    }
  }
}

template <class Real>
THAW_KERNEL_TARGET inline void sum_neighbours(const NeighbourSums<Real>& s) {
  if (s.scale == nullptr)
    sum_neighbours_with<Real, false>(s);
  else
    sum_neighbours_with<Real, true>(s);
}

}  // namespace detail::THAW_KERNEL_NAMESPACE
}  // namespace thaw::inline v0
#endif
