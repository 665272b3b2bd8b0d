// RmsNorm: normalisation by the root mean square of the last axis, with a learned weight and no shift.
//
//   thaw::RmsNorm<thaw::Spec> plan = thaw::rms_norm_spec(512);
//   auto y = norm(x);                          // x (..., 512) -> the same shape
//
// Zhang and Sennrich, "Root mean square layer normalization" (2019); T5 calls it its layer norm.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/rms_norm.hpp"

namespace thaw::inline v0 {

template <Value T>
struct RmsNorm {
  T weight;  // (width)
  double epsilon = 1e-6;

  T operator()(const T& x) const { return rms_norm(x, weight, epsilon); }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...);
    visit("epsilon", m.epsilon...);
  }
};

inline RmsNorm<Spec> rms_norm_spec(Index width, double epsilon = 1e-6) {
  return {Spec{{width}, {Init::Kind::constant, 1}}, epsilon};
}

}  // namespace thaw::inline v0
