// pairwise_sum: the second-order part of a factorisation machine (Rendle, 2010) in linear time.
//
//   auto y = thaw::pairwise_sum(thaw::reshape(x, {rows, fields, 16}));    // (rows, 1)
//
// The sum over all pairs of fields of the inner products of their vectors, as half of |sum e|^2 - sum |e|^2. Not the
// linear part: that is a FieldTable of width 1.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

namespace op {

// x (rows, fields, width) -> (rows, 1).
struct PairwiseSum {
  static constexpr const char* name = "pairwise_sum";
  static constexpr Index kLanes = 16;
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[0].shape.rank == 3, "pairwise_sum: shape ", in[0].shape, ", expected (rows, fields, width)");
    return {in[0].shape[0], 1};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    const A out = A::make(context_of(in, n, name), shape(attr, in, n));
    const Index fields = in[0].shape[1], width = in[0].shape[2];
    if constexpr (has_own_memory<typename A::Context>) {
      A::Backend::pairwise_sum(*out.context, out.size(), fields, width, in[0].data, out.data);
      return out;
    } else {
      sum_rows(in[0].data, fields, width, out);
      return out;
    }
  }
  template <class T>
  static T compose(const Attr&, const T* in, int) {
    const Index rows = in[0].shape[0], fields = in[0].shape[1], width = in[0].shape[2];
    const T total = reshape(sum_to(in[0], {rows, 1, width}), {rows, width});
    const T squares = sum_to(reshape(apply<Square>({}, {in[0]}), {rows, fields * width}), {rows, 1});
    return thaw::scale(thaw::sub(sum_to(apply<Square>({}, {total}), {rows, 1}), squares), 0.5);
  }
  // d_e = g (sum of the vectors - e).
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>) {
      const T out = T::make(context_of(in, n, name), in[0].shape);
      const Index fields = in[0].shape[1], width = in[0].shape[2];
      if constexpr (has_own_memory<typename T::Context>)
        T::Backend::pairwise_slope(*out.context, in[0].shape[0], fields, width, g.data, in[0].data, out.data);
      else
        slope_rows(g, in[0].data, fields, width, out.data);
      d.give(0, out);
    } else {
      Engine<T>::template pull_through<PairwiseSum>(attr, g, in, n, d);
    }
  }

 private:
  template <class A, class R>
  static void sum_rows(const R* x, Index fields, Index width, const A& out) {
    for (Index r = 0; r < out.size(); ++r, x += fields * width) {
      R total = 0;
      Index j = 0;
      for (; j + kLanes <= width; j += kLanes) total += lanes<kLanes>(x + j, fields, width);
      for (; j < width; ++j) total += lanes<1>(x + j, fields, width);
      out[r] = total / 2;
    }
  }
  template <class A, class R>
  static void slope_rows(const A& g, const R* x, Index fields, Index width, R* to) {
    for (Index r = 0; r < g.size(); ++r, x += fields * width, to += fields * width) {
      Index j = 0;
      for (; j + kLanes <= width; j += kLanes) slope_lanes<kLanes>(g[r], x + j, fields, width, to + j);
      for (; j < width; ++j) slope_lanes<1>(g[r], x + j, fields, width, to + j);
    }
  }
  // A fixed number of columns at a time, which the compiler turns into vectors.
  template <Index kCount, class R>
  static R lanes(const R* x, Index fields, Index width) {
    R sum[kCount] = {}, squares[kCount] = {};
    for (Index f = 0; f < fields; ++f, x += width)
      for (Index j = 0; j < kCount; ++j) {
        sum[j] += x[j];
        squares[j] += x[j] * x[j];
      }
    R total = 0;
    for (Index j = 0; j < kCount; ++j) total += sum[j] * sum[j] - squares[j];
    return total;
  }
  template <Index kCount, class R>
  static void slope_lanes(R g, const R* x, Index fields, Index width, R* to) {
    R sum[kCount] = {};
    for (Index f = 0; f < fields; ++f)
      for (Index j = 0; j < kCount; ++j) sum[j] += x[f * width + j];
    for (Index f = 0; f < fields; ++f)
      for (Index j = 0; j < kCount; ++j) to[f * width + j] = g * (sum[j] - x[f * width + j]);
  }
};

}  // namespace op

// The sum over pairs of fields of the inner products of their vectors: (rows, fields, width) -> (rows, 1).
template <Value T>
T pairwise_sum(const T& vectors) {
  return apply<op::PairwiseSum>({}, {vectors});
}

}  // namespace thaw::inline v0
