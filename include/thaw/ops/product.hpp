// Matrix products: matmul with transpose flags and batches, and linear (x W^T + b) with a fused bias.
//
//   auto y = thaw::linear(x, weight, bias);         // x (..., in), weight (out, in), bias (out) -> (..., out)
//   auto z = thaw::matmul(a, b, thaw::Transpose::second);
#pragma once

#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

enum class Transpose : std::uint8_t { none = 0, first = 1, second = 2, both = 3 };

template <Value A, Value B>
Meet<A, B> matmul(const A& a, const B& b, Transpose transpose = Transpose::none);

namespace op {

inline bool has(Transpose t, Transpose flag) { return (static_cast<int>(t) & static_cast<int>(flag)) != 0; }
inline Transpose flags(bool first, bool second) { return static_cast<Transpose>((first ? 1 : 0) | (second ? 2 : 0)); }

// a (batch..., m, k) times b (batch..., k, n), either stored transposed; equal batch axes.
struct MatMul {
  static constexpr const char* name = "matmul";
  struct Attr {
    Transpose transpose;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    const Shape &a = in[0].shape, &b = in[1].shape;
    require(a.rank >= 2 && a.rank == b.rank && a.product(0, a.rank - 2) == b.product(0, b.rank - 2), "matmul: shapes ",
            a, " and ", b, " need equal batch axes and rank 2 or more");
    const int row = a.rank - 2, column = a.rank - 1;
    const bool ta = has(attr.transpose, Transpose::first), tb = has(attr.transpose, Transpose::second);
    require(a[ta ? row : column] == b[tb ? column : row], "matmul: inner sizes differ, ", a, ta ? " transposed" : "",
            " and ", b, tb ? " transposed" : "");
    return a.with_axis(row, a[ta ? column : row]).with_axis(column, b[tb ? row : column]);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const bool ta = has(attr.transpose, Transpose::first), tb = has(attr.transpose, Transpose::second);
    const Shape &a = in[0].shape, &b = in[1].shape;
    ProductShape s;
    s.batch = out.shape.product(0, out.shape.rank - 2);
    s.rows = out.shape[out.shape.rank - 2];
    s.columns = out.shape.last();
    s.inner = ta ? a[a.rank - 2] : a.last();
    s.a_row_stride = ta ? 1 : a.last();
    s.a_inner_stride = ta ? a.last() : 1;
    s.a_batch_stride = a[a.rank - 2] * a.last();
    s.b_inner_stride = tb ? 1 : b.last();
    s.b_column_stride = tb ? b.last() : 1;
    s.b_batch_stride = b[b.rank - 2] * b.last();
    s.c_row_stride = s.columns;
    s.c_batch_stride = s.rows * s.columns;
    A::Backend::product(context, s, in[0].data, in[1].data, out.data, static_cast<const typename A::Real*>(nullptr));
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const bool ta = has(attr.transpose, Transpose::first), tb = has(attr.transpose, Transpose::second);
    if (d.wants(0)) d.give(0, ta ? thaw::matmul(in[1], g, flags(tb, true)) : thaw::matmul(g, in[1], flags(false, !tb)));
    if (d.wants(1)) d.give(1, tb ? thaw::matmul(g, in[0], flags(true, ta)) : thaw::matmul(in[0], g, flags(!ta, false)));
  }
};

// x (..., in), weight (out, in), bias (out) -> (..., out).
struct Linear {
  static constexpr const char* name = "linear";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[1].shape.rank == 2 && in[0].shape.rank >= 1 && in[0].shape.last() == in[1].shape[1], "linear: input ",
            in[0].shape, " does not fit a weight of shape ", in[1].shape, " (out, in)");
    require(in[2].shape.size() == in[1].shape[0], "linear: bias ", in[2].shape, " does not fit weight ", in[1].shape);
    return in[0].shape.with_last(in[1].shape[0]);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    ProductShape s;
    s.rows = out.shape.leading();
    s.columns = in[1].shape[0];
    s.inner = in[1].shape[1];
    s.a_row_stride = s.inner;
    s.b_inner_stride = 1;
    s.b_column_stride = s.inner;
    s.c_row_stride = s.columns;
    A::Backend::product(context, s, in[0].data, in[1].data, out.data, static_cast<const typename A::Real*>(in[2].data));
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const Index rows = g.shape.leading();
    const T flat = thaw::reshape(g, {rows, g.shape.last()});
    if (d.wants(0)) d.give(0, thaw::reshape(thaw::matmul(flat, in[1]), in[0].shape));
    if (d.wants(1)) d.give(1, thaw::matmul(flat, thaw::reshape(in[0], {rows, in[0].shape.last()}), Transpose::first));
    if (d.wants(2)) d.give(2, thaw::reshape(sum_to(flat, {1, g.shape.last()}), in[2].shape));
  }
};

}  // namespace op

// a times b over the last two axes. Errors: inner sizes or batch axes that differ.
template <Value A, Value B>
Meet<A, B> matmul(const A& a, const B& b, Transpose transpose) {
  return apply_pair<op::MatMul>({transpose}, a, b);
}
// x weight^T + bias over the last axis of x.
template <Value X, Value W, Value B>
Meet<X, Meet<W, B>> linear(const X& x, const W& weight, const B& bias) {
  return apply_triple<op::Linear>({}, x, weight, bias);
}

}  // namespace thaw::inline v0
