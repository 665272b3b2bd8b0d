#include "thaw/eval/ranking.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace {

using thaw::Gain;
using thaw::Philox;
using thaw::RankingScore;

// The definitions again, from counts of rating values instead of a walk over sorted lists.
RankingScore reference(const std::vector<float>& ranked, int k, Gain gain) {
  std::vector<float> ideal = ranked;
  std::sort(ideal.rbegin(), ideal.rend());
  const auto value = [gain](float y) { return gain == Gain::linear ? double(y) : std::pow(2.0, double(y)) - 1.0; };
  double dcg = 0, best = 0;
  std::map<float, int> left;
  for (std::size_t i = 0; i < std::size_t(k); ++i) {
    dcg += value(ranked[i]) * std::log(2.0) / std::log(double(i) + 2);
    best += value(ideal[i]) * std::log(2.0) / std::log(double(i) + 2);
    ++left[ideal[i]];
  }
  double hits = 0, sum = 0;
  for (std::size_t i = 0; i < std::size_t(k); ++i) {
    if (left[ranked[i]]-- > 0) {
      hits += 1;
      sum += hits / (double(i) + 1);
    }
  }
  return {true, hits / k, dcg / best, sum / k};
}

std::vector<float> random_ratings(Philox& rng, std::size_t count) {
  std::vector<float> ratings(count);
  for (float& r : ratings) r = float(1 + rng.below(5));
  return ratings;
}

TEST_CASE("ranking: worked example") {
  const std::vector<float> ranked{3, 5, 4, 1};
  const RankingScore at2 = thaw::score_ranking(ranked, 2);
  CHECK(at2.applicable);
  CHECK(at2.precision == doctest::Approx(0.5));
  CHECK(at2.average_precision == doctest::Approx(0.25));
  CHECK(at2.ndcg == doctest::Approx((3 + 5 / 1.58496) / (5 + 4 / 1.58496)).epsilon(1e-5));
  CHECK(at2.ndcg == doctest::Approx(0.81803).epsilon(1e-5));
  // 2^y - 1: 7 and 31 against 31 and 15.
  const RankingScore exponential = thaw::score_ranking(ranked, 2, Gain::exponential);
  CHECK(exponential.ndcg == doctest::Approx((7 + 31 / std::log2(3.0)) / (31 + 15 / std::log2(3.0))));
  CHECK(exponential.precision == at2.precision);
}

TEST_CASE("ranking: agrees with a second implementation on random lists") {
  Philox rng(7);
  for (int round = 0; round < 300; ++round) {
    const auto ranked = random_ratings(rng, 10 + rng.below(30));
    for (const int k : {1, 5, 7, 10})
      for (const Gain gain : {Gain::linear, Gain::exponential}) {
        const RankingScore got = thaw::score_ranking(ranked, k, gain);
        const RankingScore want = reference(ranked, k, gain);
        CHECK(got.precision == doctest::Approx(want.precision).epsilon(1e-12));
        CHECK(got.ndcg == doctest::Approx(want.ndcg).epsilon(1e-12));
        CHECK(got.average_precision == doctest::Approx(want.average_precision).epsilon(1e-12));
      }
  }
}

TEST_CASE("ranking: the perfect order scores 1, no order scores more") {
  Philox rng(8);
  for (int round = 0; round < 100; ++round) {
    auto ranked = random_ratings(rng, 12);
    const RankingScore any = thaw::score_ranking(ranked, 7);
    CHECK(any.precision <= 1.0);
    CHECK(any.ndcg <= 1.0 + 1e-12);
    CHECK(any.average_precision <= any.precision + 1e-12);
    std::sort(ranked.rbegin(), ranked.rend());
    const RankingScore perfect = thaw::score_ranking(ranked, 7);
    CHECK(perfect.precision == doctest::Approx(1.0));
    CHECK(perfect.ndcg == doctest::Approx(1.0));
    CHECK(perfect.average_precision == doctest::Approx(1.0));
  }
}

TEST_CASE("ranking: exactly k items give precision 1 in any order, fewer do not apply") {
  const std::vector<float> worst_first{1, 2, 3, 4, 5};
  CHECK(thaw::score_ranking(worst_first, 5).precision == doctest::Approx(1.0));
  CHECK(thaw::score_ranking(worst_first, 5).ndcg < 1.0);
  CHECK_FALSE(thaw::score_ranking(worst_first, 7).applicable);
  CHECK_FALSE(thaw::score_ranking({}, 1).applicable);
  const std::vector<float> zeros(5, 0.0f);
  CHECK(thaw::score_ranking(zeros, 5).ndcg == 0.0);
}

TEST_CASE("rank_by_prediction: the order of the input does not matter") {
  Philox rng(9);
  for (int round = 0; round < 50; ++round) {
    const std::size_t count = 30;
    const auto truths = random_ratings(rng, count);
    std::vector<float> predictions(count);
    std::vector<std::int32_t> items(count);
    for (std::size_t i = 0; i < count; ++i) {
      predictions[i] = float(rng.below(4));  // many ties
      items[i] = std::int32_t(1000 + 3 * i);
    }
    const auto first = thaw::rank_by_prediction(predictions, truths, items, 5);
    std::vector<std::size_t> shuffle(count);
    std::iota(shuffle.begin(), shuffle.end(), std::size_t{0});
    rng.shuffle(shuffle);
    std::vector<float> p2, t2;
    std::vector<std::int32_t> i2;
    for (const std::size_t i : shuffle) {
      p2.push_back(predictions[i]);
      t2.push_back(truths[i]);
      i2.push_back(items[i]);
    }
    const auto second = thaw::rank_by_prediction(p2, t2, i2, 5);
    CHECK(first.truths == second.truths);
    for (std::size_t i = 1; i < count; ++i)
      CHECK(predictions[std::size_t(first.order[i - 1])] >= predictions[std::size_t(first.order[i])]);
  }
}

TEST_CASE("rank_by_prediction: a constant predictor gets a random order, not the order of the input") {
  // Every list arrives best rating first. A stable sort would score 1; chance is the mean over random orders.
  std::vector<float> truths(40);
  std::vector<std::int32_t> items(40);
  for (std::size_t i = 0; i < 40; ++i) {
    truths[i] = float(5 - i / 8);
    items[i] = std::int32_t(i);
  }
  const std::vector<float> constant(40, 3.5f);
  double precision = 0;
  const int seeds = 400;
  for (int seed = 0; seed < seeds; ++seed) {
    const auto list = thaw::rank_by_prediction(constant, truths, items, std::uint64_t(seed));
    precision += thaw::score_ranking(list.truths, 5).precision / seeds;
  }
  // The five best of 40 are all 5s, of which there are 8: hypergeometric mean 5 * 8 / 40 hits of 5, deviation 0.17.
  CHECK(precision == doctest::Approx(0.2).epsilon(4 * 0.17 / 0.2 / std::sqrt(double(seeds))));
}

TEST_CASE("rank_by_prediction: what is not a number comes last") {
  const float nan = std::nanf("");
  const std::vector<float> predictions{nan, 1.0f, -5.0f};
  const std::vector<float> truths{5, 3, 1};
  const std::vector<std::int32_t> items{0, 1, 2};
  const auto list = thaw::rank_by_prediction(predictions, truths, items, 0);
  CHECK(list.order == std::vector<std::int32_t>{1, 2, 0});
}

}  // namespace
