// What the tests of optimisers share: a model of one tensor, a table, and losses whose gradient is known.
#pragma once

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/fixture.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/optim/parameters.hpp"

namespace optim_test {

using thaw::Index;
using thaw_test::Host;

template <thaw::Value T>
struct One {
  T weight;
  static void each(auto&& visit, auto&... m) { visit("weight", m.weight...); }
};
template <thaw::Value T>
struct Two {
  T first, second;
  static void each(auto&& visit, auto&... m) { visit("first", m.first...), visit("second", m.second...); }
};
template <thaw::Value T>
struct Tables {
  thaw::Embedding<T> users, items;
  T bias;
  static void each(auto&& visit, auto&... m) {
    visit("users", m.users...), visit("items", m.items...), visit("bias", m.bias...);
  }
};

inline One<thaw::Spec> one_spec(Index size) { return {thaw::Spec{{size}, {thaw::Init::Kind::uniform, 1}}}; }

// One step along a gradient that is given: the loss is their product.
template <class R, class Optimiser>
void step_along(thaw::Parameters<One<thaw::Spec>, R>& parameters, Optimiser& optimiser, const R* gradient,
                double rate) {
  thaw::Tape<R> tape(parameters.context());
  thaw::Scope scope(tape);
  const auto model = parameters.on(tape);
  const auto g = thaw::Array<R>::view(parameters.context(), gradient, model.weight.shape);
  optimiser.step(parameters, parameters.gradient(thaw::sum(thaw::mul(model.weight, g))), rate);
}

}  // namespace optim_test
