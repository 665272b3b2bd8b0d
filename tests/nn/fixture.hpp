// What the tests of layers share: models with random weights, of any number type and backend.
#pragma once

#include "tests/ops/fixture.hpp"
#include "thaw/core/module.hpp"

namespace nn_test {

using thaw::Index;
using thaw_test::A;
using thaw_test::difference;
using thaw_test::Host;
using thaw_test::V;

// Standard normals times `size`; weights of normalisation are 1 + that.
template <class T = A, class Plan>
auto random_model(thaw_test::Host& host, typename T::Context& context, const Plan& plan, double size = 0.4) {
  return thaw::map_model<T>(plan, [&](const thaw::Path&, const thaw::Spec& spec) {
    const T out = T::make(context, spec.shape);
    const double middle = spec.init.kind == thaw::Init::Kind::constant ? spec.init.scale : 0;
    for (auto& x : out) x = static_cast<typename T::Real>(middle + size * host.rng.normal());
    return out;
  });
}
template <class Plan>
auto random_model(thaw_test::Host& host, const Plan& plan, double size = 0.4) {
  return random_model<A>(host, host.context, plan, size);
}

}  // namespace nn_test
