#include "thaw/graph/alias_table.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "thaw/graph/negative_sampler.hpp"

namespace {

// Counts of draws against the probabilities: chi-square over its degrees of freedom, about 1 when they agree.
double chi_square(const std::vector<double>& expected, const std::vector<double>& counted) {
  double sum = 0, total = 0;
  std::size_t kinds = 0;
  for (const double c : counted) total += c;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] <= 0) {
      CHECK(counted[i] == 0);
      continue;
    }
    const double want = expected[i] * total;
    sum += (counted[i] - want) * (counted[i] - want) / want;
    ++kinds;
  }
  return sum / static_cast<double>(kinds - 1);
}

std::vector<double> zipf(std::size_t n) {
  std::vector<double> weights;
  for (std::size_t i = 0; i < n; ++i) weights.push_back(std::pow(static_cast<double>(i + 1), -1.1));
  weights[n / 2] = 0;
  return weights;
}

std::vector<double> shares(const std::vector<double>& weights) {
  double sum = 0;
  for (const double w : weights) sum += w;
  std::vector<double> out;
  for (const double w : weights) out.push_back(w / sum);
  return out;
}

TEST_CASE("AliasTable: the probabilities it implies are those it was given") {
  for (const auto& weights : {std::vector<double>{1}, std::vector<double>{0, 3}, std::vector<double>{1, 1, 1},
                              std::vector<double>{5, 0, 1e-7, 2}, zipf(1000)}) {
    const auto table = thaw::AliasTable::from_weights(weights);
    CHECK(table.ok());
    if (!table) return;
    const auto expected = shares(weights);
    for (std::size_t i = 0; i < weights.size(); ++i)
      CHECK(std::fabs(table.value().probability(static_cast<std::int32_t>(i)) - expected[i]) < 1e-9);
  }
}

// A table that looks the slot up through another table draws only aliases: 80 % of Zipf's outcomes never appear.
TEST_CASE("AliasTable: every outcome above zero is drawn, as often as it should be") {
  const auto weights = zipf(1000);
  const auto table = thaw::AliasTable::from_weights(weights);
  CHECK(table.ok());
  if (!table) return;
  thaw::Philox rng(5);
  std::vector<double> counted(weights.size(), 0.0);
  for (int i = 0; i < 2'000'000; ++i) counted[static_cast<std::size_t>(table.value().draw(rng))] += 1;
  for (std::size_t i = 0; i < weights.size(); ++i) CHECK((counted[i] > 0) == (weights[i] > 0));
  // 998 degrees of freedom: the standard deviation of this ratio is 0.045.
  const double ratio = chi_square(shares(weights), counted);
  CHECK(ratio > 0.8);
  CHECK(ratio < 1.2);
}

TEST_CASE("AliasTable: bad weights") {
  const auto says = [](const std::vector<double>& weights, const char* part) {
    const auto table = thaw::AliasTable::from_weights(weights);
    return !table && std::strstr(table.fault().text, part) != nullptr;
  };
  CHECK(says({}, "0 weights"));
  CHECK(says({0, 0}, "at least one must be above 0"));
  CHECK(says({1, -1}, "weight 1 is -1"));
  CHECK(says({1, std::nan("")}, "weight 1 is nan"));
  CHECK(says({INFINITY}, "weight 0 is"));
}

// Five items with 1, 2, 4, 8 and 0 interactions, and users who touched several.
thaw::Interactions few() {
  std::vector<thaw::Rating> ratings;
  for (std::int32_t item = 0; item < 4; ++item)
    for (std::int32_t user = 0; user < (1 << item); ++user) ratings.push_back({user, item, 1});
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, 9, 5)).value();
}

TEST_CASE("NegativeSampler: uniform, or popularity to the power 0.75, never what the user touched") {
  const thaw::Interactions x = few();
  const thaw::NegativeSampler uniform(x);
  const auto popular = thaw::NegativeSampler::by_popularity(x);
  CHECK(popular.ok());
  if (!popular) return;
  thaw::Philox rng(3);
  std::vector<double> plain(5, 0.0), weighted(5, 0.0), restricted(5, 0.0);
  for (int i = 0; i < 200'000; ++i) {
    plain[static_cast<std::size_t>(uniform.draw(8, rng))] += 1;  // user 8 touched nothing
    weighted[static_cast<std::size_t>(popular.value().draw(8, rng))] += 1;
    restricted[static_cast<std::size_t>(popular.value().draw(3, rng))] += 1;  // touched items 2 and 3
  }
  CHECK(chi_square({0.2, 0.2, 0.2, 0.2, 0.2}, plain) < 5);
  const double two = std::pow(2.0, 0.75), four = std::pow(4.0, 0.75), eight = std::pow(8.0, 0.75);
  CHECK(chi_square(shares({1, two, four, eight, 0}), weighted) < 5);
  CHECK(chi_square(shares({1, two, 0, 0, 0}), restricted) < 8);
  CHECK(popular.value().draw(0, rng) == -1);  // all items that can be drawn are hers
  CHECK(uniform.draw(0, rng) == 4);
  CHECK(!thaw::NegativeSampler::by_popularity(x, -1));
}

}  // namespace
