// The two products of softmax attention along one axis of a 4-D array, without a transposed copy.
//
//   Layout: x is (outer, tokens, inner, width); attention runs along `tokens`; `width` is split into heads.
//   auto scores = thaw::attention_scores(q, k, heads);         // (outer, inner, heads, queries, keys)
//   auto mixed  = thaw::attention_mix(weights, v, heads);      // (outer, queries, inner, width)
//
// Each is the gradient of the other, so the pair is closed under differentiation.
#pragma once

#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

template <Value A, Value B>
Meet<A, B> attention_scores(const A& x, const B& y, Index heads);
template <Value A, Value B>
Meet<A, B> attention_mix(const A& weights, const B& y, bool transpose = false);

namespace op {

inline void check_tokens(const Shape& s, Index heads, const char* name) {
  require(s.rank == 4 && heads > 0 && s[3] % heads == 0, name, ": shape ", s,
          " is not (outer, tokens, inner, width) with a width that ", heads, " heads divide");
}

// S[o, i, h, a, b] = sum over c of x[o, a, i, h, c] y[o, b, i, h, c].
struct AttentionScores {
  static constexpr const char* name = "attention_scores";
  struct Attr {
    Index heads;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    const Shape &x = in[0].shape, &y = in[1].shape;
    check_tokens(x, attr.heads, name);
    require(x.with_axis(1, 0) == y.with_axis(1, 0), "attention_scores: shapes ", x, " and ", y,
            " may differ in the token axis only");
    return {x[0], x[2], attr.heads, x[1], y[1]};
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const Shape &x = in[0].shape, &y = in[1].shape;
    const Index width = x[3], head = width / attr.heads, inner = x[2];
    ProductShape s;
    s.batch = attr.heads;
    s.rows = x[1];
    s.columns = y[1];
    s.inner = head;
    s.a_row_stride = inner * width;
    s.a_batch_stride = s.b_batch_stride = head;
    s.b_inner_stride = 1;
    s.b_column_stride = inner * width;
    s.c_row_stride = s.columns;
    s.c_batch_stride = s.rows * s.columns;
    const Index scores = attr.heads * s.c_batch_stride;
    const ProductGrid grid{x[0],           inner, x[1] * inner * width, width, y[1] * inner * width, width,
                           inner * scores, scores};
    product_grid<typename A::Backend>(context, s, grid, in[0].data, in[1].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, thaw::attention_mix(g, in[1]));
    if (d.wants(1)) d.give(1, thaw::attention_mix(g, in[0], true));
  }
};

// out[o, a, i, h, c] = sum over b of W[o, i, h, a, b] y[o, b, i, h, c]; transposed: W[o, i, h, b, a].
struct AttentionMix {
  static constexpr const char* name = "attention_mix";
  struct Attr {
    bool transpose;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    const Shape &w = in[0].shape, &y = in[1].shape;
    require(w.rank == 5 && y.rank == 4 && w[0] == y[0] && w[1] == y[2] && w[attr.transpose ? 3 : 4] == y[1],
            "attention_mix: weights ", w, " (outer, inner, heads, queries, keys) do not fit values ", y);
    check_tokens(y, w[2], name);
    return y.with_axis(1, w[attr.transpose ? 4 : 3]);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const Shape &w = in[0].shape, &y = in[1].shape;
    const Index heads = w[2], width = y[3], inner = y[2];
    ProductShape s;
    s.batch = heads;
    s.rows = out.shape[1];
    s.columns = width / heads;
    s.inner = y[1];
    s.a_row_stride = attr.transpose ? 1 : w[4];
    s.a_inner_stride = attr.transpose ? w[4] : 1;
    s.a_batch_stride = w[3] * w[4];
    s.b_inner_stride = s.c_row_stride = inner * width;
    s.b_batch_stride = s.c_batch_stride = s.columns;
    const Index scores = heads * s.a_batch_stride;
    const ProductGrid grid{y[0], inner, inner * scores, scores, y[1] * inner * width, width, s.rows * inner * width,
                           width};
    product_grid<typename A::Backend>(context, s, grid, in[0].data, in[1].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const Index heads = in[0].shape[2];
    if (d.wants(0))
      d.give(0, attr.transpose ? thaw::attention_scores(in[1], g, heads) : thaw::attention_scores(g, in[1], heads));
    if (d.wants(1)) d.give(1, thaw::attention_mix(in[0], g, !attr.transpose));
  }
};

}  // namespace op

// Dot products of every query with every key, for each head: (outer, inner, heads, queries, keys).
template <Value A, Value B>
Meet<A, B> attention_scores(const A& queries, const B& keys, Index heads) {
  return apply_pair<op::AttentionScores>({heads}, queries, keys);
}
// Weighted sums of the values: (outer, queries, inner, width).
template <Value A, Value B>
Meet<A, B> attention_mix(const A& weights, const B& values, bool transpose) {
  return apply_pair<op::AttentionMix>({transpose}, weights, values);
}

}  // namespace thaw::inline v0
