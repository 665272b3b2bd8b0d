// LayerNorm: layer normalisation over the last axis (Ba et al., 2016).
//
//   thaw::LayerNorm<thaw::Spec> plan = thaw::layer_norm_spec(144, 1e-12);
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

template <Value T>
struct LayerNorm {
  T weight;  // (width)
  T bias;    // (width)
  double epsilon = 1e-5;

  T operator()(const T& x) const { return layer_norm(x, weight, bias, epsilon); }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
    visit("epsilon", m.epsilon...);
  }
};

inline LayerNorm<Spec> layer_norm_spec(Index width, double epsilon = 1e-5) {
  return {Spec{{width}, {Init::Kind::constant, 1}}, Spec{{width}, {Init::Kind::constant, 0}}, epsilon};
}

}  // namespace thaw::inline v0
