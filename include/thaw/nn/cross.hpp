// Cross: the cross network of Deep & Cross (Wang et al., 2017): x' = x0 (x . w) + b + x, layer after layer.
//
//   thaw::Cross<thaw::Spec> plan = thaw::cross_spec(/*width*/ 128, /*layers*/ 3);
//   auto y = cross(x0);                     // (rows, 128) -> (rows, 128)
//
// Not the second version of that network, whose weights are matrices.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

template <Value T>
struct CrossLayer {
  T weight;  // (width, 1)
  T bias;    // (width)

  // x0, x (rows, width)
  T operator()(const T& x0, const T& x) const { return add(add(mul(x0, matmul(x, weight)), bias), x); }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
  }
};

template <Value T>
struct Cross {
  Several<CrossLayer<T>, 8> layers;

  T operator()(const T& x0) const {
    T x = x0;
    for (int l = 0; l < layers.count; ++l) x = layers[l](x0, x);
    return x;
  }
  static void each(auto&& visit, auto&... m) { visit("layers", m.layers...); }
};

// Weights start uniform in +-1/sqrt(width), biases at 0.
inline Cross<Spec> cross_spec(Index width, Index layers) {
  Cross<Spec> plan;
  const Init init{Init::Kind::uniform, 1.0 / __builtin_sqrt(static_cast<double>(width))};
  for (Index l = 0; l < layers; ++l) plan.layers.push({Spec{{width, 1}, init}, Spec{{width}, {}}});
  return plan;
}

}  // namespace thaw::inline v0
