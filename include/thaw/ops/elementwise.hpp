// Elementwise operations: add, sub, mul, div with broadcasting; scale, shift; tanh, sigmoid, gelu and their like.
//
//   auto y = thaw::tanh(thaw::add(x, bias));
//
// Shapes broadcast as in NumPy: axes aligned from the last, a size of 1 stretches.
#pragma once

#include "thaw/ops/reduce.hpp"

namespace thaw::inline v0 {

namespace op {

struct Empty {};

// y = F(x); Self supplies the vjp.
template <class Self, class F>
struct Unary {
  using Attr = Empty;
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr&, const A* in, int n, bool) {
    auto& context = context_of(in, n, Self::name);
    A out = A::make(context, in[0].shape);
    A::Backend::template map<F>(context, out.size(), in[0].data, out.data);
    return out;
  }
};

// y = F(a, b) for equal shapes.
template <class Self, class F>
struct Binary {
  using Attr = Empty;
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[0].shape == in[1].shape, Self::name, ": shapes ", in[0].shape, " and ", in[1].shape, " differ");
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, Self::name);
    A out = A::make(context, shape(attr, in, n));
    A::Backend::template zip<F>(context, out.size(), in[0].data, in[1].data, out.data);
    return out;
  }
};

struct PlusFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V a, V b) {
    return a + b;
  }
};
struct MinusFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V a, V b) {
    return a - b;
  }
};
struct TimesFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V a, V b) {
    return a * b;
  }
};
struct OverFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V a, V b) {
    return a / b;
  }
};
// Gradients of functions that are cheap in terms of their own output y, or input x.
struct TanhSlopeFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V g, V y) {
    return g * (V(1) - y * y);
  }
};
struct SigmoidSlopeFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V g, V y) {
    return g * y * (V(1) - y);
  }
};
struct ReluSlopeFunction {
  template <class V>
  THAW_HOST_DEVICE static V value(V g, V x) {
    return x > V(0) ? g : V(0);
  }
};

}  // namespace op

template <Value A, Value B>
Meet<A, B> add(const A& a, const B& b);
template <Value A, Value B>
Meet<A, B> sub(const A& a, const B& b);
template <Value A, Value B>
Meet<A, B> mul(const A& a, const B& b);
template <Value A, Value B>
Meet<A, B> div(const A& a, const B& b);
template <Value T>
T scale(const T& x, double factor);
template <Value T>
T shift(const T& x, double amount);

namespace op {

// y = scale * x + shift with constants.
struct AffineMap {
  static constexpr const char* name = "scale";
  struct Attr {
    double scale, shift;
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    using R = typename A::Real;
    auto& context = context_of(in, n, name);
    A out = A::make(context, in[0].shape);
    A::Backend::affine_map(context, out.size(), static_cast<R>(attr.scale), static_cast<R>(attr.shift), in[0].data,
                           out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, thaw::scale(g, attr.scale));
  }
};

struct Add : Binary<Add, PlusFunction> {
  static constexpr const char* name = "add";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, g);
    if (d.wants(1)) d.give(1, g);
  }
};
struct Sub : Binary<Sub, MinusFunction> {
  static constexpr const char* name = "sub";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, g);
    if (d.wants(1)) d.give(1, thaw::scale(g, -1));
  }
};
struct Mul : Binary<Mul, TimesFunction> {
  static constexpr const char* name = "mul";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, thaw::mul(g, in[1]));
    if (d.wants(1)) d.give(1, thaw::mul(g, in[0]));
  }
};
struct Div : Binary<Div, OverFunction> {
  static constexpr const char* name = "div";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T* in, int, Adjoints<T>& d) {
    const T over = thaw::div(g, in[1]);
    if (d.wants(0)) d.give(0, over);
    if (d.wants(1)) d.give(1, thaw::scale(thaw::mul(over, out), -1));
  }
};

// g * slope(y): the gradient of tanh, itself differentiable.
struct TanhSlope : Binary<TanhSlope, TanhSlopeFunction> {
  static constexpr const char* name = "tanh_slope";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, apply<TanhSlope>({}, {g, in[1]}));
    if (d.wants(1)) d.give(1, thaw::scale(thaw::mul(g, thaw::mul(in[0], in[1])), -2));
  }
};
struct SigmoidSlope : Binary<SigmoidSlope, SigmoidSlopeFunction> {
  static constexpr const char* name = "sigmoid_slope";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, apply<SigmoidSlope>({}, {g, in[1]}));
    if (d.wants(1)) d.give(1, thaw::mul(thaw::mul(g, in[0]), thaw::shift(thaw::scale(in[1], -2), 1)));
  }
};
struct ReluSlope : Binary<ReluSlope, ReluSlopeFunction> {
  static constexpr const char* name = "relu_slope";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, apply<ReluSlope>({}, {g, in[1]}));
    if (d.wants(1)) d.give(1, thaw::scale(in[1], 0));
  }
};

struct Tanh : Unary<Tanh, thaw::Tanh> {
  static constexpr const char* name = "tanh";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, apply<TanhSlope>({}, {g, out}));
  }
};
struct Sigmoid : Unary<Sigmoid, thaw::Sigmoid> {
  static constexpr const char* name = "sigmoid";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, apply<SigmoidSlope>({}, {g, out}));
  }
};
struct Relu : Unary<Relu, thaw::Relu> {
  static constexpr const char* name = "relu";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, apply<ReluSlope>({}, {g, in[0]}));
  }
};
struct Exp : Unary<Exp, thaw::Exp> {
  static constexpr const char* name = "exp";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, thaw::mul(g, out));
  }
};
struct Log : Unary<Log, thaw::Log> {
  static constexpr const char* name = "log";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::div(g, in[0]));
  }
};
struct Square : Unary<Square, thaw::Square> {
  static constexpr const char* name = "square";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::scale(thaw::mul(g, in[0]), 2));
  }
};
struct Sqrt : Unary<Sqrt, thaw::Sqrt> {
  static constexpr const char* name = "sqrt";
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T*, int, Adjoints<T>& d) {
    d.give(0, thaw::scale(thaw::div(g, out), 0.5));
  }
};
// log(1 + exp(x)) without overflow.
struct Softplus : Unary<Softplus, thaw::Softplus> {
  static constexpr const char* name = "softplus";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::mul(g, apply<Sigmoid>({}, {in[0]})));
  }
};
struct Erf : Unary<Erf, thaw::Erf> {
  static constexpr const char* name = "erf";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const T bell = apply<Exp>({}, {thaw::scale(apply<Square>({}, {in[0]}), -1)});
    d.give(0, thaw::scale(thaw::mul(g, bell), 1.12837916709551257390));  // 2 / sqrt(pi)
  }
};
// The density of the standard normal, exp(-x^2/2) / sqrt(2 pi).
template <class T>
T normal_density(const T& x) {
  return thaw::scale(apply<Exp>({}, {thaw::scale(apply<Square>({}, {x}), -0.5)}), 0.39894228040143267794);
}
// The derivative of gelu: Phi(x) + x phi(x).
struct GeluDerivative : Unary<GeluDerivative, thaw::GeluDerivative> {
  static constexpr const char* name = "gelu_derivative";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const T two_minus_square = thaw::shift(thaw::scale(apply<Square>({}, {in[0]}), -1), 2);
    d.give(0, thaw::mul(g, thaw::mul(normal_density(in[0]), two_minus_square)));
  }
};
// x Phi(x), the exact form with erf (Hendrycks and Gimpel, 2016).
struct Gelu : Unary<Gelu, thaw::Gelu> {
  static constexpr const char* name = "gelu";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::mul(g, apply<GeluDerivative>({}, {in[0]})));
  }
};
// |x|; the derivative at 0 is taken as 1.
struct Abs : Unary<Abs, thaw::Abs> {
  static constexpr const char* name = "abs";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    const T negative = thaw::scale(g, -1);
    d.give(0, thaw::add(apply<ReluSlope>({}, {g, in[0]}), apply<ReluSlope>({}, {negative, thaw::scale(in[0], -1)})));
  }
};

template <class Op, class A, class B>
Meet<A, B> broadcast_pair(const A& a, const B& b) {
  if (a.shape == b.shape) [[likely]]
    return apply_pair<Op>({}, a, b);
  const Shape wide = broadcast_shape(a.shape, b.shape, Op::name);
  if (a.shape == wide) return apply_pair<Op>({}, a, broadcast_to(b, wide));
  if (b.shape == wide) return apply_pair<Op>({}, broadcast_to(a, wide), b);
  return apply_pair<Op>({}, broadcast_to(a, wide), broadcast_to(b, wide));
}

}  // namespace op

// a + b, a - b, a * b, a / b, elementwise with broadcasting.
template <Value A, Value B>
Meet<A, B> add(const A& a, const B& b) {
  return op::broadcast_pair<op::Add>(a, b);
}
template <Value A, Value B>
Meet<A, B> sub(const A& a, const B& b) {
  return op::broadcast_pair<op::Sub>(a, b);
}
template <Value A, Value B>
Meet<A, B> mul(const A& a, const B& b) {
  return op::broadcast_pair<op::Mul>(a, b);
}
template <Value A, Value B>
Meet<A, B> div(const A& a, const B& b) {
  return op::broadcast_pair<op::Div>(a, b);
}
// factor * x, x + amount.
template <Value T>
T scale(const T& x, double factor) {
  return apply<op::AffineMap>({factor, 0}, {x});
}
template <Value T>
T shift(const T& x, double amount) {
  return apply<op::AffineMap>({1, amount}, {x});
}

#define THAW_UNARY(function, Op)   \
  template <Value T>               \
  T function(const T& x) {         \
    return apply<op::Op>({}, {x}); \
  }
THAW_UNARY(tanh, Tanh)
THAW_UNARY(sigmoid, Sigmoid)
THAW_UNARY(relu, Relu)
THAW_UNARY(gelu, Gelu)
THAW_UNARY(exp, Exp)
THAW_UNARY(log, Log)
THAW_UNARY(sqrt, Sqrt)
THAW_UNARY(square, Square)
THAW_UNARY(softplus, Softplus)
THAW_UNARY(erf, Erf)
THAW_UNARY(abs, Abs)
#undef THAW_UNARY

}  // namespace thaw::inline v0
