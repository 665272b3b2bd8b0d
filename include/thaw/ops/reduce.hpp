// broadcast_to and sum_to, each the gradient of the other; sum and mean on top of them.
//
//   auto rows = thaw::sum_to(x, {8, 1});   // x (8, 32) summed over its last axis
#pragma once

#include "thaw/ops/layout.hpp"

namespace thaw::inline v0 {

template <Value T>
T broadcast_to(const T& x, const Shape& to);
template <Value T>
T sum_to(const T& x, const Shape& to);

namespace op {

// Strides that see an array of shape `narrow` as one of shape `wide`: 0 where it stretches.
inline void stretch_strides(const Shape& narrow, const Shape& wide, Index* strides) {
  Index step = 1;
  const int shift = wide.rank - narrow.rank;
  for (int axis = wide.rank - 1; axis >= 0; --axis) {
    const bool present = axis >= shift && narrow[axis - shift] != 1;
    strides[axis] = present ? step : 0;
    if (axis >= shift) step *= narrow[axis - shift];
  }
}

struct BroadcastTo {
  static constexpr const char* name = "broadcast_to";
  struct Attr {
    Shape to;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(broadcast_shape(in[0].shape, attr.to, name) == attr.to, "broadcast_to: shape ", in[0].shape,
            " does not stretch to ", attr.to);
    return attr.to;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    Index strides[Shape::kMaxRank];
    stretch_strides(in[0].shape, attr.to, strides);
    A::Backend::strided_copy(context, attr.to, in[0].data, strides, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, sum_to(g, in[0].shape));
  }
};

struct SumTo {
  static constexpr const char* name = "sum_to";
  struct Attr {
    Shape to;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(broadcast_shape(attr.to, in[0].shape, name) == in[0].shape, "sum_to: shape ", in[0].shape,
            " does not sum to ", attr.to);
    return attr.to;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    Index strides[Shape::kMaxRank];
    stretch_strides(attr.to, in[0].shape, strides);
    A::Backend::fill(context, out.size(), typename A::Real(0), out.data);
    A::Backend::strided_add(context, in[0].shape, in[0].data, out.data, strides);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, broadcast_to(g, in[0].shape));
  }
};

}  // namespace op

// x stretched to a wider shape.
template <Value T>
T broadcast_to(const T& x, const Shape& to) {
  if (x.shape == to) return x;
  return apply<op::BroadcastTo>({to}, {x});
}
// x summed over every axis in which `to` has size 1 or is missing.
template <Value T>
T sum_to(const T& x, const Shape& to) {
  if (x.shape == to) return x;
  return apply<op::SumTo>({to}, {x});
}
// The sum, and the mean, of all elements: a scalar.
template <Value T>
T sum(const T& x) {
  return sum_to(x, Shape{});
}

}  // namespace thaw::inline v0
