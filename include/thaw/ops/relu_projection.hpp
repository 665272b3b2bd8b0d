// relu_projection: relu(x W^T) as one operation, which keeps only what comes out.
//
//   auto hidden = thaw::relu_projection(x, weight);      // x (rows, in), weight (out, in) -> (rows, out)
//
// The slope of a ReLU is known from its output, so the numbers before it are overwritten in place: half the memory
// traffic of a product and a ReLU after it, on the widest layer of a transformer. With a bias: ops/product.hpp.
#pragma once

#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

namespace op {

struct ReluProjection {
  static constexpr const char* name = "relu_projection";
  struct Attr {};
  template <class T>
  static Shape shape(const Attr&, const T* in, int n) {
    return MatMul::shape({Transpose::second}, in, n);
  }
  template <class A>
  static A forward(const Attr&, const A* in, int n, bool record) {
    A out = MatMul::forward(MatMul::Attr{Transpose::second}, in, n, record);
    A::Backend::template map<thaw::Relu>(*out.context, out.size(), out.data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T& out, const T* in, int, Adjoints<T>& d) {
    const T slope = apply<ReluSlope>({}, {g, out});
    if (d.wants(0)) d.give(0, thaw::matmul(slope, in[1]));
    if (d.wants(1)) d.give(1, thaw::matmul(slope, in[0], Transpose::first));
  }
};

}  // namespace op

// max(0, x weight^T). Errors: inner sizes that differ.
template <Value X, Value W>
Meet<X, W> relu_projection(const X& x, const W& weight) {
  return apply_pair<op::ReluProjection>({}, x, weight);
}

}  // namespace thaw::inline v0
