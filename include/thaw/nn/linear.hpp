// Linear: y = x W^T + b over the last axis.
//
//   thaw::Linear<thaw::Spec> plan = thaw::linear_spec(16, 32);
//   auto y = layer(x);                       // x (..., 16) -> (..., 32)
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

template <Value T>
struct Linear {
  T weight;  // (out, in)
  T bias;    // (out)

  template <Value X>
  T operator()(const X& x) const {
    return linear(x, weight, bias);
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("bias", m.bias...);
  }
};

// Uniform start in +-1/sqrt(in) for weight and bias, as PyTorch does it.
inline Linear<Spec> linear_spec(Index in, Index out) {
  const Init init{Init::Kind::uniform, 1.0 / __builtin_sqrt(static_cast<double>(in))};
  return {Spec{{out, in}, init}, Spec{{out}, init}};
}

}  // namespace thaw::inline v0
