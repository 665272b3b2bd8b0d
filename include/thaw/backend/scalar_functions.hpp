// stand-in
#pragma once
#include <cmath>

#include "thaw/core/config.hpp"
namespace thaw::inline v0 {
struct Exp {
  template <class V>
  static V value(V x) {
    return std::exp(x);
  }
};
struct Log {
  template <class V>
  static V value(V x) {
    return std::log(x);
  }
};
struct Tanh {
  template <class V>
  static V value(V x) {
    return std::tanh(x);
  }
};
struct Sigmoid {
  template <class V>
  static V value(V x) {
    return V(1) / (V(1) + std::exp(-x));
  }
};
struct Erf {
  template <class V>
  static V value(V x) {
    return std::erf(x);
  }
};
struct Relu {
  template <class V>
  static V value(V x) {
    return x > V(0) ? x : V(0);
  }
};
struct Gelu {
  template <class V>
  static V value(V x) {
    return V(0.5) * x * (V(1) + std::erf(x * V(0.70710678118654752440)));
  }
};
struct Sqrt {
  template <class V>
  static V value(V x) {
    return std::sqrt(x);
  }
};
struct Square {
  template <class V>
  static V value(V x) {
    return x * x;
  }
};
struct Reciprocal {
  template <class V>
  static V value(V x) {
    return V(1) / x;
  }
};
struct Abs {
  template <class V>
  static V value(V x) {
    return x < V(0) ? -x : x;
  }
};
struct Softplus {
  template <class V>
  static V value(V x) {
    return (x > V(0) ? x : V(0)) + std::log1p(std::exp(-std::abs(x)));
  }
};
struct GeluDerivative {
  template <class V>
  static V value(V x) {
    return V(0.5) * (V(1) + std::erf(x * V(0.70710678118654752440))) +
           x * V(0.39894228040143267794) * std::exp(V(-0.5) * x * x);
  }
};
}  // namespace thaw::inline v0
