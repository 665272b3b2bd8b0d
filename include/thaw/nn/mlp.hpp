// Mlp: linear layers with one activation between them and none after the last.
//
//   auto plan = thaw::mlp_spec({64, 64, 64, 1}, thaw::Activation::relu);
#pragma once

#include "thaw/nn/linear.hpp"

namespace thaw::inline v0 {

enum class Activation : std::uint8_t { identity, relu, tanh, sigmoid, gelu };

template <Value T>
T activate(Activation activation, const T& x) {
  switch (activation) {
    case Activation::relu:
      return relu(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::identity:
      break;
  }
  return x;
}

template <Value T>
struct Mlp {
  Several<Linear<T>, 8> layers;
  Activation activation = Activation::relu;

  // x (..., first width) -> (..., last width)
  template <Value X>
  T operator()(const X& x) const {
    T y = layers[0](x);
    for (int i = 1; i < layers.count; ++i) y = layers[i](activate(activation, y));
    return y;
  }
  static void each(auto&& visit, auto&... m) {
    visit("layers", m.layers...);
    visit("activation", m.activation...);
  }
};

// `widths`: input, hidden ones, output.
inline Mlp<Spec> mlp_spec(std::initializer_list<Index> widths, Activation activation) {
  require(widths.size() >= 2, "mlp_spec: an input and an output width are needed");
  Mlp<Spec> plan;
  plan.activation = activation;
  for (const Index* w = widths.begin(); w + 1 != widths.end(); ++w) plan.layers.push(linear_spec(w[0], w[1]));
  return plan;
}

}  // namespace thaw::inline v0
