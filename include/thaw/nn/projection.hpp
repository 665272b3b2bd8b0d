// Projection: y = x W^T over the last axis of a matrix, a linear layer without a bias.
//
//   thaw::Projection<thaw::Spec> plan = thaw::projection_spec(512, 2048, /*deviation*/ 0.04);
//   auto y = layer(x);                         // x (rows, 512) -> (rows, 2048)
//
// Starts as normals with the deviation given. With a bias: nn/linear.hpp.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/ops/product.hpp"

namespace thaw::inline v0 {

template <Value T>
struct Projection {
  T weight;  // (out, in)

  T operator()(const T& x) const { return matmul(x, weight, Transpose::second); }
  static void each(auto&& visit, auto&... m) { visit("weight", m.weight...); }
};

inline Projection<Spec> projection_spec(Index in, Index out, double deviation) {
  return {Spec{{out, in}, {Init::Kind::normal, deviation}}};
}

}  // namespace thaw::inline v0
