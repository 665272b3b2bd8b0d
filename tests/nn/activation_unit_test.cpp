// Attention over a history: equal keys return the key, empty slots do not matter, an empty history gives zeros, weights
// from the closed form, gradients. Values in a whole model: tests/examples/mwuf_golden_test.cpp.
#include "thaw/nn/activation_unit.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

// Row 0: all slots, row 1: slots 0 and 2, row 2: none.
A known_slots(Host& host) { return host.of({3, 3}, {1, 1, 1, 1, 0, 1, 0, 0, 0}); }

}  // namespace

TEST_CASE("equal keys return the key whatever the scores are; an empty history returns zeros") {
  Host host;
  const auto unit = random_model(host, thaw::activation_unit_spec(4, true, 6, 5));
  A keys = host.normal({3, 3, 4});
  for (Index r = 0; r < 3; ++r)
    for (Index t = 1; t < 3; ++t)
      for (Index j = 0; j < 4; ++j) keys[(r * 3 + t) * 4 + j] = keys[r * 12 + j];
  const A y = unit(host.normal({3, 4}), keys, known_slots(host));
  for (Index j = 0; j < 4; ++j) {
    CHECK(std::fabs(y[j] - keys[j]) < 1e-14);
    CHECK(std::fabs(y[4 + j] - keys[12 + j]) < 1e-14);
    CHECK(y[8 + j] == 0);
  }
}

TEST_CASE("what an empty slot holds changes nothing, with softmax and without") {
  Host host;
  for (const bool normalise : {true, false}) {
    const auto unit = random_model(host, thaw::activation_unit_spec(4, normalise, 6, 5));
    const A q = host.normal({3, 4}), known = known_slots(host);
    A keys = host.normal({3, 3, 4});
    const A before = unit(q, keys, known);
    for (Index j = 0; j < 4; ++j) keys[(3 + 1) * 4 + j] = 9, keys[6 * 4 + j] = -9;
    CHECK(difference(unit(q, keys, known), before) < 1e-15);
    keys[3 * 4] += 0.5;
    CHECK(difference(unit(q, keys, known), before) > 1e-4);
  }
}

TEST_CASE("weights: a network that passes on the first number of q gives softmax(q_0 / 2) of the known slots") {
  Host host;
  auto unit = random_model(host, thaw::activation_unit_spec(4, true, 1, 1), 0.0);
  // sigmoid(k_0) twice over, read from place 4 of [q; k; q - k; q k].
  unit.score.layers[0].weight[4] = 1, unit.score.layers[1].weight[0] = 1, unit.score.layers[2].weight[0] = 1;
  const A keys = host.normal({1, 2, 4}), q = host.normal({1, 4});
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double a = sigmoid(sigmoid(keys[0])), b = sigmoid(sigmoid(keys[4]));
  const double share = std::exp(a / 2) / (std::exp(a / 2) + std::exp(b / 2));  // sqrt of the width is 2
  const A known = host.of({1, 2}, {1, 1});
  const A soft = unit(q, keys, known);
  unit.normalise = false;
  const A raw = unit(q, keys, known);
  for (Index j = 0; j < 4; ++j) {
    CHECK(std::fabs(soft[j] - (share * keys[j] + (1 - share) * keys[4 + j])) < 1e-14);
    CHECK(std::fabs(raw[j] - (a * keys[j] + b * keys[4 + j])) < 1e-14);
  }
  CHECK(thaw::parameter_count(thaw::activation_unit_spec(16)) == 64 * 80 + 80 + 80 * 40 + 40 + 41);
}

TEST_CASE("gradients to second order of query and keys") {
  Host host;
  for (const bool normalise : {true, false}) {
    const auto weights = random_model(host, thaw::activation_unit_spec(3, normalise, 4, 3), 0.8);
    const A known = known_slots(host);
    const auto f = [&](const auto& q, const auto& k) {
      using T = thaw::Meet<std::decay_t<decltype(q)>, std::decay_t<decltype(k)>>;
      const T& like = thaw::detail::first_of<T>(q, k);
      const auto unit = thaw::map_unnamed<T>(weights, [&](const A& a) { return thaw::lift_to<T>(a, like); });
      return unit(thaw::lift_to<T>(q, like), thaw::lift_to<T>(k, like), known);
    };
    thaw_test::hold("activation_unit", thaw::check_gradient(f, {host.normal({3, 3}), host.normal({3, 3, 3})}));
  }
}
