// Shape: the sizes of an array along each axis, row-major, rank at most 6, stored inline.
//
//   thaw::Shape s{8, 32, 144};   // s.rank == 3, s.size() == 36864, s.last() == 144
#pragma once

#include <initializer_list>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

struct Shape {
  static constexpr int kMaxRank = 6;
  int rank = 0;
  Index dims[kMaxRank] = {};

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<Index> sizes) {
    require(sizes.size() <= kMaxRank, "Shape: rank ", sizes.size(), " is above the limit of 6");
    for (const Index size : sizes) dims[rank++] = size;
  }

  constexpr Index operator[](int axis) const { return dims[axis]; }
  constexpr Index& operator[](int axis) { return dims[axis]; }
  // Number of elements; 1 for a scalar (rank 0).
  constexpr Index size() const { return product(0, rank); }
  constexpr Index last() const { return rank == 0 ? 1 : dims[rank - 1]; }
  // Number of rows when the array is seen as a matrix of its last axis.
  constexpr Index leading() const { return product(0, rank - 1); }
  // Product of dims[begin .. end).
  constexpr Index product(int begin, int end) const {
    Index n = 1;
    for (int i = begin; i < end; ++i) n *= dims[i];
    return n;
  }
  // The same shape with another last axis, or with one axis more or fewer.
  constexpr Shape with_last(Index size) const {
    require(rank > 0, "Shape: a scalar has no last axis");
    Shape s = *this;
    s.dims[rank - 1] = size;
    return s;
  }
  constexpr Shape with_axis(int axis, Index size) const {
    Shape s = *this;
    s.dims[axis] = size;
    return s;
  }
  constexpr Shape without_last() const {
    Shape s = *this;
    if (s.rank > 0) s.dims[--s.rank] = 0;
    return s;
  }
  constexpr Shape append(Index size) const {
    require(rank < kMaxRank, "Shape: rank 7 is above the limit of 6");
    Shape s = *this;
    s.dims[s.rank++] = size;
    return s;
  }

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i)
      if (a.dims[i] != b.dims[i]) return false;
    return true;
  }
  void describe(Fault& fault) const {
    fault.add('(');
    for (int i = 0; i < rank; ++i) {
      if (i > 0) fault.add(", ");
      fault.add(dims[i]);
    }
    fault.add(')');
  }
};

// The shape that `a` and `b` broadcast to: axes are aligned from the last, a size of 1 stretches.
inline Shape broadcast_shape(const Shape& a, const Shape& b, const char* what) {
  const Shape& wide = a.rank >= b.rank ? a : b;
  const Shape& narrow = a.rank >= b.rank ? b : a;
  Shape out = wide;
  const int shift = wide.rank - narrow.rank;
  for (int i = 0; i < narrow.rank; ++i) {
    const Index x = wide[i + shift], y = narrow[i];
    require(x == y || x == 1 || y == 1, what, ": shapes ", a, " and ", b, " do not broadcast");
    if (x == 1) out[i + shift] = y;
  }
  return out;
}

}  // namespace thaw::inline v0
