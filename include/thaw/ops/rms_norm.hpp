// rms_norm: normalisation by the root mean square of the last axis (Zhang and Sennrich, 2019).
//
//   auto y = thaw::rms_norm(x, weight, 1e-6);      // x / sqrt(mean(x^2) + epsilon) * weight
//
// A fused kernel with a fused first-order gradient; second order goes through the composition. Not layer_norm: nothing
// is subtracted and there is no shift (ops/normalize.hpp has that one).
#pragma once

#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

namespace op {

struct RmsNorm {
  static constexpr const char* name = "rms_norm";
  struct Attr {
    double epsilon;
  };
  template <class T>
  static Shape shape(const Attr&, const T* in, int) {
    require(in[1].shape.size() == in[0].shape.last(), "rms_norm: input ", in[0].shape, " does not fit weight ",
            in[1].shape);
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    A::Backend::rms_norm(context, out.shape.leading(), out.shape.last(), static_cast<typename A::Real>(attr.epsilon),
                         in[0].data, in[1].data, out.data);
    return out;
  }
  template <class T>
  static T compose(const Attr& attr, const T* in, int) {
    const T total = sum_to(apply<Square>({}, {in[0]}), in[0].shape.with_last(1));
    const T mean = thaw::scale(total, 1 / static_cast<double>(in[0].shape.last()));
    return thaw::mul(thaw::div(in[0], apply<Sqrt>({}, {thaw::shift(mean, attr.epsilon)})), in[1]);
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    if constexpr (is_array<T>) {
      auto& context = context_of(in, n, name);
      const T d_x = T::make(context, in[0].shape), d_weight = T::make(context, in[1].shape);
      T::Backend::fill(context, d_weight.size(), typename T::Real(0), d_weight.data);
      T::Backend::rms_norm_backward(context, g.shape.leading(), g.shape.last(),
                                    static_cast<typename T::Real>(attr.epsilon), in[0].data, in[1].data, g.data,
                                    d_x.data, d_weight.data);
      d.give(0, d_x);
      d.give(1, d_weight);
    } else {
      Engine<T>::template pull_through<RmsNorm>(attr, g, in, n, d);
    }
  }
};

}  // namespace op

// x (..., width) over its root mean square, times weight (width).
template <Value X, Value W>
Meet<X, W> rms_norm(const X& x, const W& weight, double epsilon = 1e-6) {
  return apply_pair<op::RmsNorm>({epsilon}, x, weight);
}

}  // namespace thaw::inline v0
