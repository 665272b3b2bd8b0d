// Operations over the last axis: softmax, log_sum_exp, layer_norm; and dropout.
//
//   auto y = thaw::layer_norm(x, weight, bias, 1e-12);
//
// layer_norm has a fused kernel and a fused first-order gradient; for second order the gradient of its composition
// from simpler operations is taken (pull_through), and a test holds the two to each other.
#pragma once

#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

template <Value T>
T log_sum_exp(const T& x);
template <Value T>
T softmax(const T& x);

namespace op {

// g * y minus y times the row sum of g * y.
struct SoftmaxSlope {
  static constexpr const char* name = "softmax_slope";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr&, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, in[0].shape);
    A::Backend::softmax_backward(context, out.shape.leading(), out.shape.last(), in[1].data, in[0].data, out.data);
    return out;
  }
  // out = y (g - s), s = sum(g y):  d_g = slope(h, y),  d_y = h (g - s) - g sum(h y).
  template <class T>
  static void vjp(const Attr&, const T& h, const T&, const T* in, int, Adjoints<T>& d) {
    const T &g = in[0], &y = in[1];
    if (d.wants(0)) d.give(0, apply<SoftmaxSlope>({}, {h, y}));
    if (d.wants(1)) {
      const Shape column = g.shape.with_last(1);
      const T s = sum_to(thaw::mul(g, y), column);
      const T hy = sum_to(thaw::mul(h, y), column);
      d.give(1, thaw::sub(thaw::mul(h, thaw::sub(g, s)), thaw::mul(g, hy)));
    }
  }
};

struct Softmax {
  static constexpr const char* name = "softmax";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr&, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, in[0].shape);
    A::Backend::softmax(context, out.shape.leading(), out.shape.last(), in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, apply<SoftmaxSlope>({}, {g, out}));
  }
};

// log sum exp over the last axis, kept as size 1; never overflows.
struct LogSumExp {
  static constexpr const char* name = "log_sum_exp";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape.with_last(1);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    A::Backend::log_sum_exp(context, out.size(), in[0].shape.last(), in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::mul(thaw::softmax(in[0]), g));
  }
};

// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis.
struct LayerNorm {
  static constexpr const char* name = "layer_norm";
  struct Attr {
    double epsilon;
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[1].shape.size() == in[0].shape.last() && in[2].shape.size() == in[0].shape.last(), "layer_norm: input ",
            in[0].shape, " does not fit weight ", in[1].shape, " and bias ", in[2].shape);
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    A::Backend::layer_norm(context, out.shape.leading(), out.shape.last(), static_cast<typename A::Real>(attr.epsilon),
                           in[0].data, in[1].data, in[2].data, out.data);
    return out;
  }
  template <class T>
  static T compose(const Attr& attr, const T* in, int) {
    const double n = static_cast<double>(in[0].shape.last());
    const Shape column = in[0].shape.with_last(1);
    const T centred = thaw::sub(in[0], thaw::scale(sum_to(in[0], column), 1 / n));
    const T variance = thaw::scale(sum_to(apply<Square>({}, {centred}), column), 1 / n);
    const T deviation = apply<Sqrt>({}, {thaw::shift(variance, attr.epsilon)});
    return thaw::add(thaw::mul(thaw::div(centred, deviation), in[1]), in[2]);
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>) {
      auto& context = context_of(in, n, name);
      const T d_x = T::make(context, in[0].shape);
      const T d_weight = T::make(context, in[1].shape), d_bias = T::make(context, in[2].shape);
      T::Backend::fill(context, d_weight.size(), typename T::Real(0), d_weight.data);
      T::Backend::fill(context, d_bias.size(), typename T::Real(0), d_bias.data);
      T::Backend::layer_norm_backward(context, g.shape.leading(), g.shape.last(),
                                      static_cast<typename T::Real>(attr.epsilon), in[0].data, in[1].data, g.data,
                                      d_x.data, d_weight.data, d_bias.data);
      d.give(0, d_x);
      d.give(1, d_weight);
      d.give(2, d_bias);
    } else {
      Engine<T>::template pull_through<LayerNorm>(attr, g, in, n, d);
    }
  }
};

struct Dropout {
  static constexpr const char* name = "dropout";
  struct Attr {
    DropoutRule rule;
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, in[0].shape);
    A::Backend::dropout(context, attr.rule, out.shape.leading(), out.shape.last(), in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, apply<Dropout>(attr, {g}));
  }
};

}  // namespace op

// Softmax over the last axis.
template <Value T>
T softmax(const T& x) {
  return apply<op::Softmax>({}, {x});
}
// log(sum(exp(x))) over the last axis, which becomes 1.
template <Value T>
T log_sum_exp(const T& x) {
  return apply<op::LogSumExp>({}, {x});
}
// Layer normalisation over the last axis (Ba et al., 2016).
template <Value X, Value W, Value B>
Meet<X, Meet<W, B>> layer_norm(const X& x, const W& weight, const B& bias, double epsilon = 1e-5) {
  return apply_triple<op::LayerNorm>({epsilon}, x, weight, bias);
}
// Elements dropped by the rule become zero, the others are scaled up; no change where the rule is inactive.
template <Value T>
T dropout(const T& x, const DropoutRule& rule) {
  if (!rule.active()) return x;
  return apply<op::Dropout>({rule}, {x});
}

}  // namespace thaw::inline v0
