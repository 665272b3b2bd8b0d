// Priors from attributes against closed forms of ridge regression.
#include "thaw/baselines/attribute_priors.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

// Items with `counts[i]` ratings each, by as many users.
thaw::Csr rated(const std::vector<int>& counts) {
  std::vector<thaw::Rating> ratings;
  for (std::size_t i = 0; i < counts.size(); ++i)
    for (int u = 0; u < counts[i]; ++u) ratings.push_back({u, static_cast<std::int32_t>(i), 3});
  return thaw::Csr::from_ratings(ratings, static_cast<std::int32_t>(counts.size()), thaw::Csr::Side::item);
}

}  // namespace

TEST_CASE("one attribute: each value is a shrunken, trusted mean") {
  const thaw::Csr rows = rated({10, 30, 10, 0, 0});
  const std::vector<std::int32_t> offsets{0, 1, 2, 3, 4, 5}, ids{0, 0, 1, 0, 1};
  const thaw::AttributeView view{offsets, ids, 2};
  const std::vector<double> biases{0.5, 0.3, -0.4, 9, 9};  // the last two have no ratings: their biases are not trusted
  const auto priors = thaw::attribute_priors(std::span(&view, 1), rows, biases, {.shrinkage = 2, .damping = 10});
  const double t10 = 0.5, t30 = 0.75;
  const double first = (t10 * 0.5 + t30 * 0.3) / (t10 + t30 + 2), second = t10 * -0.4 / (t10 + 2);
  CHECK(std::abs(priors[0] - first) < 1e-12);
  CHECK(std::abs(priors[2] - second) < 1e-12);
  CHECK(priors[3] == priors[0]);  // an item that nobody rated gets what its value says
  CHECK(priors[4] == priors[2]);
}

TEST_CASE("two attributes: the normal equations hold") {
  const thaw::Csr rows = rated({5, 8, 13, 21, 3});
  const std::vector<std::int32_t> offsets{0, 1, 2, 3, 4, 5}, a{0, 0, 1, 1, 1}, b{0, 1, 0, 1, 0};
  const thaw::AttributeView views[] = {{offsets, a, 2}, {offsets, b, 2}};
  const std::vector<double> biases{0.7, -0.2, 0.1, 0.4, -0.6};
  const thaw::AttributePriorOptions options{.shrinkage = 1.5, .damping = 4, .sweeps = 400};
  const auto priors = thaw::attribute_priors(views, rows, biases, options);
  // At the optimum: sum over a value's entities of t (b - prior) = c w. With both values of an attribute known, w can
  // be read off the priors of items that differ in that attribute alone.
  const auto trust = [&](int e) {
    const double n = static_cast<double>(rows.row(e).size());
    return n / (n + options.damping);
  };
  double rest[2] = {0, 0};
  for (int e = 0; e < 5; ++e)
    rest[a[static_cast<std::size_t>(e)]] +=
        trust(e) * (biases[static_cast<std::size_t>(e)] - priors[static_cast<std::size_t>(e)]);
  CHECK(std::abs((rest[0] - rest[1]) / options.shrinkage - (priors[0] - priors[2])) < 1e-9);
  CHECK(std::abs((rest[0] - rest[1]) / options.shrinkage - (priors[1] - priors[3])) < 1e-9);
}

TEST_CASE("nothing known gives zero, and no attributes too") {
  const thaw::Csr rows = rated({0, 0});
  const std::vector<std::int32_t> offsets{0, 1, 1}, ids{0};
  const thaw::AttributeView view{offsets, ids, 1};
  const std::vector<double> biases{1, 2};
  for (const double p : thaw::attribute_priors(std::span(&view, 1), rows, biases)) CHECK(p == 0);
  for (const double p : thaw::attribute_priors({}, rows, biases)) CHECK(p == 0);
}
