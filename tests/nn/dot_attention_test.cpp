#include "thaw/nn/dot_attention.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("weights are shares; a query of zeros shares equally and mixes to the mean") {
  Host host;
  const A slots = host.normal({4, 3, 5});
  const A weights = thaw::dot_attention_weights(host.normal({5}), slots);
  for (Index r = 0; r < 4; ++r) CHECK(std::fabs(weights[3 * r] + weights[3 * r + 1] + weights[3 * r + 2] - 1) < 1e-14);
  const A equal = thaw::dot_attention_weights(host.zeros({1, 5}), slots);
  for (const double w : equal) CHECK(w == 1.0 / 3);
  const A mixed = thaw::dot_attention_mix(equal, slots);
  for (Index r = 0; r < 4; ++r)
    for (Index j = 0; j < 5; ++j) {
      const Index at = r * 15 + j;
      CHECK(mixed[r * 5 + j] == doctest::Approx((slots[at] + slots[at + 5] + slots[at + 10]) / 3).epsilon(1e-13));
    }
}

TEST_CASE("one slot has weight one, whatever the query") {
  Host host;
  const A slots = host.normal({4, 1, 5}), query = host.normal({5});
  const A weights = thaw::dot_attention_weights(query, slots);
  for (const double w : weights) CHECK(w == 1);
  CHECK(difference(thaw::dot_attention_mix(weights, slots), thaw::reshape(slots, {4, 5})) == 0);
}

TEST_CASE("scores are plain dot products: the ratio of two weights is the exponential of their difference") {
  Host host;
  const A slots = host.normal({1, 2, 3}), query = host.normal({3});
  double dot[2] = {};
  for (Index s = 0; s < 2; ++s)
    for (Index j = 0; j < 3; ++j) dot[s] += query[j] * slots[3 * s + j];
  const A weights = thaw::dot_attention_weights(query, slots);
  CHECK(std::log(weights[1] / weights[0]) == doctest::Approx(dot[1] - dot[0]).epsilon(1e-12));
}

TEST_CASE("dot attention: derivatives to second order") {
  Host host;
  thaw_test::hold("dot attention", thaw::check_gradient(
                                       [](const auto& q, const auto& keys, const auto& values) {
                                         return thaw::dot_attention_mix(thaw::dot_attention_weights(q, keys), values);
                                       },
                                       {host.normal({3}), host.normal({2, 4, 3}), host.normal({2, 4, 3})}));
}
