#include "thaw/train/report_data.hpp"

#include <doctest/doctest.h>

using namespace thaw;

namespace {

Scores two_baselines(double model, double first, double second, double spread = kNoData) {
  Scores scores;
  scores.systems = {{"Item mean"}, {"Popularity"}, {"Model", SystemKind::model}, {"Oracle", SystemKind::reference}};
  scores.metrics = {{"NDCG@10"}};
  scores.scenarios = {{.name = "New users", .values = {{first, spread}, {second, spread}, {model, spread}, {0.99}}}};
  return scores;
}

Outcome outcome(const Scores& scores) { return compare_to_baseline(scores, scores.scenarios[0], 0).outcome; }

}  // namespace

TEST_CASE("the model meets the strongest baseline, never a reference") {
  const Scores scores = two_baselines(0.30, 0.20, 0.25);
  const Comparison comparison = compare_to_baseline(scores, scores.scenarios[0], 0);
  CHECK(comparison.model == 2);
  CHECK(comparison.baseline == 1);
  CHECK(comparison.margin.difference == doctest::Approx(0.05));
  CHECK(comparison.outcome == Outcome::ahead);
  CHECK(outcome(two_baselines(0.24, 0.20, 0.25)) == Outcome::behind);
}

TEST_CASE("a difference within the spread of both is level: 0.04 against hypot(0.03, 0.03) = 0.0424") {
  CHECK(outcome(two_baselines(0.29, 0.20, 0.25, 0.03)) == Outcome::level);
  CHECK(outcome(two_baselines(0.30, 0.20, 0.25, 0.03)) == Outcome::ahead);
  CHECK(outcome(two_baselines(0.20, 0.20, 0.25, 0.03)) == Outcome::behind);
  CHECK(outcome(two_baselines(0.25, 0.20, 0.25)) == Outcome::level);
}

TEST_CASE("a bootstrap interval against the strongest baseline outranks the spread; others are not used") {
  Scores scores = two_baselines(0.30, 0.20, 0.25);
  scores.scenarios[0].margins = {{0, 1, 0.05, -0.01, 0.11}};
  CHECK(outcome(scores) == Outcome::level);
  scores.scenarios[0].margins = {{0, 0, 0.10, -0.01, 0.21}};
  CHECK(outcome(scores) == Outcome::ahead);
  CHECK(!compare_to_baseline(scores, scores.scenarios[0], 0).has_interval);
}

TEST_CASE("where lower is better the smallest baseline is the strongest and a negative margin wins") {
  Scores scores = two_baselines(0.70, 0.75, 0.80);
  scores.metrics[0].higher_is_better = false;
  const Comparison comparison = compare_to_baseline(scores, scores.scenarios[0], 0);
  CHECK(comparison.baseline == 0);
  CHECK(comparison.outcome == Outcome::ahead);
  scores.scenarios[0].margins = {{0, 0, 0.05, 0.02, 0.08}};
  CHECK(outcome(scores) == Outcome::behind);
}

TEST_CASE("missing numbers, missing model, short lists: unknown, not a verdict") {
  CHECK(outcome(two_baselines(kNoData, 0.2, 0.25)) == Outcome::unknown);
  CHECK(outcome(two_baselines(0.3, kNoData, kNoData)) == Outcome::unknown);
  CHECK(outcome(two_baselines(0.3, kNoData, 0.25)) == Outcome::ahead);
  Scores no_model = two_baselines(0.3, 0.2, 0.25);
  no_model.systems[2].kind = SystemKind::baseline;
  CHECK(outcome(no_model) == Outcome::unknown);
  Scores short_list = two_baselines(0.3, 0.2, 0.25);
  short_list.scenarios[0].values.resize(1);
  CHECK(outcome(short_list) == Outcome::unknown);
  CHECK(!(measure_of(short_list, short_list.scenarios[0], 3, 0).mean == 0));
}

TEST_CASE("bars take one metric out of (systems, metrics)") {
  Scores scores;
  scores.systems = {{"A", SystemKind::model}, {"B"}};
  scores.metrics = {{"first"}, {"second", false, 2}};
  scores.scenarios = {{.name = "S", .values = {{1}, {2}, {3}, {4, 0.5}}, .optimum = {9, 8}}};
  const MetricBars bars = metric_bars(scores, 1);
  CHECK(bars.title == "second");
  CHECK(bars.decimals == 2);
  CHECK(!bars.higher_is_better);
  CHECK(bars.groups[0].values[0].mean == 2);
  CHECK(bars.groups[0].values[1].mean == 4);
  CHECK(bars.groups[0].values[1].spread == 0.5);
  CHECK(bars.groups[0].optimum == 8);
}
