// A frozen model: the gradient of its input is that of the live model, nothing of its weights is recorded or computed.
#include "thaw/autodiff/frozen.hpp"

#include "tests/nn/fixture.hpp"
#include "thaw/nn/mlp.hpp"

using namespace nn_test;

TEST_CASE("the input's gradient is that of the live model; weights are constants over the same memory") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto weights = random_model(host, thaw::mlp_spec({3, 5, 1}, thaw::Activation::tanh));
  const V x = tape.leaf(host.normal({4, 3}));
  const auto live = thaw::map_unnamed<V>(weights, [&](const A& a) { return tape.leaf(a); });
  const A want = thaw::gradient(thaw::sum(live(x)), x);
  const std::int32_t nodes = tape.size();
  const auto model = thaw::frozen(tape, weights);
  CHECK(tape.size() == nodes);
  CHECK(difference(thaw::gradient(thaw::sum(model(x)), x), want) == 0);
  CHECK(model.layers[0].weight.data == weights.layers[0].weight.data);
  CHECK(model.layers[0].weight.node == nullptr);
}

TEST_CASE("what does not depend on the input is not recorded") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto model = thaw::frozen(tape, random_model(host, thaw::mlp_spec({3, 5, 1}, thaw::Activation::tanh)));
  const std::int32_t nodes = tape.size();
  const V y = model(tape.constant(host.normal({4, 3})));
  CHECK(y.size() == 4);
  CHECK(tape.size() == nodes);
}
