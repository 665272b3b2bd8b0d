#include "thaw/eval/auc.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using doctest::Approx;
using thaw::Undefined;

namespace {

using Floats = std::vector<float>;

// Every pair, one by one.
double all_pairs(const Floats& scores, const Floats& labels) {
  double right = 0, pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (labels[i] != 1.0f || labels[j] != 0.0f) continue;
      ++pairs;
      right += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
    }
  return right / pairs;
}

struct Sample {
  Floats scores, labels;
  std::vector<std::int32_t> groups;
};

// Scores of few different values, so that most pairs of some samples tie.
Sample drawn(std::uint64_t seed, std::size_t count, std::uint32_t levels, std::uint32_t groups = 1) {
  thaw::Philox rng(seed);
  Sample s;
  for (std::size_t i = 0; i < count; ++i) {
    s.scores.push_back((static_cast<float>(rng.below(levels)) - static_cast<float>(levels / 2)) * 0.37f);
    s.labels.push_back(rng.below(3) == 0 ? 1.0f : 0.0f);
    s.groups.push_back(static_cast<std::int32_t>(rng.below(groups)) * 7 - 3);
  }
  return s;
}

}  // namespace

TEST_CASE("AUC of textbook cases") {
  CHECK(thaw::area_under_curve(Floats{1, 2, 3, 4}, Floats{0, 0, 1, 1}).value == 1.0);
  CHECK(thaw::area_under_curve(Floats{4, 3, 2, 1}, Floats{0, 0, 1, 1}).value == 0.0);
  CHECK(thaw::area_under_curve(Floats{0.1f, 0.4f, 0.35f, 0.8f}, Floats{0, 0, 1, 1}).value == 0.75);
  CHECK(thaw::area_under_curve(Floats{5, 5, 5}, Floats{0, 1, 0}).value == 0.5);
  CHECK(thaw::area_under_curve(Floats{-0.0f, 0.0f}, Floats{1, 0}).value == 0.5);
  CHECK(thaw::area_under_curve(Floats{-INFINITY, INFINITY, 0}, Floats{0, 1, 1}).value == 1.0);
  CHECK(thaw::area_under_curve(Floats{-2, -1, -3}, Floats{1, 0, 0}).value == 0.5);
}

TEST_CASE("AUC equals the count of all pairs, ties one half") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Sample s = drawn(seed, 2 + seed * 5, seed % 3 == 0 ? 4 : seed % 3 == 1 ? 40 : 100000);
    const thaw::Measured auc = thaw::area_under_curve(s.scores, s.labels);
    const double expected = all_pairs(s.scores, s.labels);
    if (expected != expected) {
      CHECK_FALSE(static_cast<bool>(auc));
    } else {
      CHECK(auc.value == Approx(expected).epsilon(1e-14));
    }
  }
}

TEST_CASE("AUC is unchanged by rising maps, mirrored by falling ones, and the same in batches") {
  const Sample s = drawn(5, 400, 90);
  Floats rising, falling;
  for (const float x : s.scores) {
    rising.push_back(std::exp(0.1f * x) - 3.0f);
    falling.push_back(-x);
  }
  const double auc = thaw::area_under_curve(s.scores, s.labels).value;
  CHECK(thaw::area_under_curve(rising, s.labels).value == auc);
  CHECK(thaw::area_under_curve(falling, s.labels).value == Approx(1 - auc).epsilon(1e-14));
  thaw::Auc first, second;
  const std::span<const float> scores(s.scores), labels(s.labels);
  first.add(scores.first(100), labels.first(100));
  CHECK(static_cast<bool>(first.value()));  // reading in between changes nothing
  first.add(scores.subspan(100, 50), labels.subspan(100, 50));
  second.add(scores.subspan(150), labels.subspan(150));
  first.add(second);
  CHECK(first.value().value == auc);
  CHECK(first.positives() + first.negatives() == 400);
  first.clear();
  CHECK(first.value().why == Undefined::no_samples);
}

TEST_CASE("without pairs there is no AUC, and the reason is said") {
  const auto why = [](const Floats& scores, const Floats& labels) {
    const thaw::Measured auc = thaw::area_under_curve(scores, labels);
    CHECK_FALSE(static_cast<bool>(auc));
    CHECK(auc.value != auc.value);
    return auc.why;
  };
  CHECK(why({}, {}) == Undefined::no_samples);
  CHECK(why({1, 2}, {1, 1}) == Undefined::only_positives);
  CHECK(why({1, 2}, {0, 0}) == Undefined::only_negatives);
  CHECK(why({1, NAN, 3}, {0, 1, 1}) == Undefined::score_not_a_number);
  CHECK(std::strcmp(thaw::reason(Undefined::only_positives), "undefined: every label is 1") == 0);
}

TEST_CASE("grouped AUC is that of each group, weighted") {
  const Sample s = drawn(11, 600, 12, 40);
  thaw::GroupedAuc grouped;
  grouped.add(s.groups, s.scores, s.labels);
  double by_samples = 0, samples = 0, equal = 0;
  std::int64_t defined = 0, seen = 0;
  for (const thaw::GroupAuc& group : grouped.groups()) {
    Floats scores, labels;
    for (std::size_t i = 0; i < s.groups.size(); ++i)
      if (s.groups[i] == group.group) scores.push_back(s.scores[i]), labels.push_back(s.labels[i]);
    CHECK(group.samples == static_cast<std::int64_t>(scores.size()));
    seen += group.samples;
    const double expected = all_pairs(scores, labels);
    CHECK(static_cast<bool>(group.auc) == (expected == expected));
    if (!group.auc) continue;
    CHECK(group.auc.value == Approx(expected).epsilon(1e-14));
    by_samples += static_cast<double>(scores.size()) * expected;
    samples += static_cast<double>(scores.size());
    equal += expected;
    ++defined;
  }
  CHECK(seen == 600);
  CHECK(defined > 30);
  CHECK(grouped.defined() == defined);
  CHECK(grouped.mean().value == Approx(by_samples / samples).epsilon(1e-13));
  CHECK(grouped.mean(thaw::GroupWeight::equal).value == Approx(equal / static_cast<double>(defined)).epsilon(1e-13));
  thaw::GroupedAuc empty, positive;
  CHECK(empty.mean().why == Undefined::no_samples);
  positive.add(3, 0.5f, 1);
  CHECK(positive.mean().why == Undefined::only_positives);
}

TEST_CASE("bootstrap over groups: weights are copies of a group's samples") {
  const Sample s = drawn(21, 200, 15, 6);
  std::vector<std::uint32_t> groups;
  for (const std::int32_t g : s.groups) groups.push_back(static_cast<std::uint32_t>((g + 3) / 7));
  const std::vector<std::uint32_t> weight{0, 3, 1, 2, 0, 1};
  Floats scores, labels;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (std::uint32_t copy = 0; copy < weight[groups[i]]; ++copy)
      scores.push_back(s.scores[i]), labels.push_back(s.labels[i]);
  CHECK(thaw::detail::WeightedAuc(s.scores, s.labels, groups).value(weight) ==
        Approx(all_pairs(scores, labels)).epsilon(1e-14));
}

TEST_CASE("bootstrap tells a better scorer from an equal one") {
  thaw::Philox rng(31);
  Floats labels, good, same, poor;
  std::vector<std::int32_t> items;
  for (int i = 0; i < 3000; ++i) {
    const float label = rng.below(2) == 0 ? 0.0f : 1.0f;
    const auto noise = [&rng] { return static_cast<float>(rng.normal()); };
    labels.push_back(label);
    items.push_back(i % 100);
    poor.push_back(0.3f * label + noise());
    same.push_back(0.3f * label + noise());
    good.push_back(0.9f * label + noise());
  }
  const auto better = thaw::paired_auc_bootstrap(good, poor, labels, items, {.resamples = 300});
  const auto even = thaw::paired_auc_bootstrap(same, poor, labels, items, {.resamples = 300});
  CHECK(better.users == 100);
  CHECK(better.mean == Approx(all_pairs(good, labels) - all_pairs(poor, labels)).epsilon(1e-12));
  CHECK((better.lower > 0.05 && better.upper < 0.25 && better.not_better == 0));
  CHECK((even.lower < 0 && even.upper > 0));
  const auto none =
      thaw::paired_auc_bootstrap(Floats{1, 2}, Floats{2, 1}, Floats{1, 1}, std::vector<std::int32_t>{0, 1});
  CHECK(none.mean != none.mean);
}
