// What a training report is made of: plain structs that a trainer fills in, and the verdict drawn from them.
//
//   thaw::Report report;
//   report.title = "Cold-start recommendation on MovieLens-1M";
//   report.scores.systems = {{"Attention model", thaw::SystemKind::model}, {"Item mean", thaw::SystemKind::baseline}};
//   report.scores.metrics = {{"NDCG@10"}};
//   report.scores.scenarios = {{.name = "New users", .values = {{0.31, 0.004}, {0.29, 0.002}}}};
//   thaw::write_report("report.html", report);
//
// Every member has an initialiser, so that `{.name = "x"}` gives no warning about the others.
// A number nobody measured is NaN and shows as "no data". Not an evaluation: the numbers come from elsewhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

inline constexpr double kNoData = std::numeric_limits<double>::quiet_NaN();

// One line of a chart: points (x[i], y[i]), x not decreasing. A NaN in y is a gap.
struct Curve {
  std::string name = {};
  std::vector<double> x = {}, y = {};
  double smoothing = 0;     // 0: as it is; 0.98: the line is a running mean with that memory, the raw values faint
  bool has_points = false;  // a mark at each point, for values measured now and then
};

enum class MarkBest : std::uint8_t { none, highest, lowest };

struct CurveChart {
  std::string title = {}, caption = {}, x_label = {}, y_label = {};
  std::vector<Curve> curves = {};
  MarkBest mark_best = MarkBest::none;  // a mark and a label at the best point of each curve with points
};

enum class SystemKind : std::uint8_t {
  model,      // what was trained; the first one is what the verdict speaks of
  baseline,   // what it has to beat
  reference,  // shown, never compared: an oracle, a leaky protocol
};

struct ScoredSystem {
  std::string name = {};
  SystemKind kind = SystemKind::baseline;
};

struct Metric {
  std::string name = {};
  bool higher_is_better = true;
  int decimals = 4;
};

// Mean over seeds and its standard deviation.
struct Measure {
  double mean = kNoData;
  double spread = kNoData;
};

// A bootstrap result: first model minus system `against`, with the interval's ends.
struct Margin {
  std::size_t metric = 0;
  std::size_t against = 0;
  double difference = kNoData;
  double low = kNoData, high = kNoData;
};

// One cold-start situation: "New users", "New items", "Both new".
struct ScoredScenario {
  std::string name = {};
  std::string note = {};             // what is cold, how many users and items
  std::vector<Measure> values = {};  // (systems, metrics)
  std::vector<double> optimum = {};  // (metrics): the best that the data allow, where that is known; may be empty
  std::vector<Margin> margins = {};
};

// Every number of a comparison, once: bars, tables and the verdict are all drawn from here.
struct Scores {
  std::vector<ScoredSystem> systems = {};
  std::vector<Metric> metrics = {};  // the first one decides the verdict
  std::vector<ScoredScenario> scenarios = {};
  std::string spread_text = "standard deviation over seeds";
  std::string interval_text = "95\u00a0% bootstrap interval";
};

// One metric of all systems, one group for each scenario: what a bar chart shows.
struct MetricBars {
  struct Group {
    std::string scenario = {};
    std::vector<Measure> values = {};  // (systems)
    double optimum = kNoData;
  };
  std::string title = {}, caption = {};
  std::vector<ScoredSystem> systems = {};
  std::vector<Group> groups = {};
  int decimals = 4;
  bool higher_is_better = true;
};

struct HeatMap {
  std::string title = {}, caption = {}, row_axis = {}, column_axis = {};
  std::vector<std::string> row_labels = {}, column_labels = {};
  std::vector<double> values = {};  // (rows, columns)
};

struct RatedItem {
  std::string title = {};
  double rating = kNoData;
};

struct RankedItem {
  std::string title = {};
  double score = kNoData;
  double truth = kNoData;  // the rating this user really gave, where it is known
  Index item = -1;         // tells items with equal titles apart; -1: the title does
};

// One new user: what she rated, and what she is recommended without and with those ratings, best first.
struct Ranking {
  std::string title = {}, caption = {};
  double highest_rating = 5;
  std::vector<RatedItem> ratings = {};
  std::vector<RankedItem> before = {}, after = {};  // may be longer than what is shown, so that moves are known
  std::size_t shown = 10;
};

struct Fact {
  std::string label = {}, value = {};
};

struct Provenance {
  std::string command = {};    // as typed
  std::string reproduce = {};  // lines for a shell
  std::string data = {}, seeds = {}, date = {}, machine = {};
  std::vector<Fact> more = {};
};

// Every part but the title may be left out; a part left out has no section.
struct Report {
  std::string title = {}, subtitle = {};
  std::vector<Fact> facts = {};  // a row of key figures: users, items, ratings, training time
  std::vector<CurveChart> curves = {};
  Scores scores = {};
  std::string protocol = {};  // how it was measured, in a paragraph
  std::vector<Ranking> rankings = {};
  std::vector<HeatMap> heat_maps = {};
  Provenance provenance = {};
};

enum class Outcome : std::uint8_t { unknown, ahead, level, behind };

// The first model against the strongest baseline, for one scenario and metric.
struct Comparison {
  Outcome outcome = Outcome::unknown;
  std::size_t model = 0, baseline = 0;  // systems
  Measure model_value, baseline_value;
  Margin margin;
  bool has_interval = false;
};

// Systems times metrics may be missing at the end of a short list.
inline Measure measure_of(const Scores& scores, const ScoredScenario& scenario, std::size_t system,
                          std::size_t metric) {
  const std::size_t at = system * scores.metrics.size() + metric;
  return metric < scores.metrics.size() && at < scenario.values.size() ? scenario.values[at] : Measure{};
}

inline bool is_better(const Metric& metric, double a, double b) {
  if (!std::isfinite(a) || !std::isfinite(b)) return std::isfinite(a);
  return metric.higher_is_better ? a > b : a < b;
}

// The best of one kind in a scenario; systems.size() when none was measured.
inline std::size_t best_system(const Scores& scores, const ScoredScenario& scenario, std::size_t metric,
                               SystemKind kind) {
  const std::size_t none = scores.systems.size();
  std::size_t best = none;
  for (std::size_t system = 0; system < none; ++system) {
    const double value = measure_of(scores, scenario, system, metric).mean;
    if (scores.systems[system].kind != kind || !std::isfinite(value)) continue;
    const bool is_first = best == none;
    if (is_first || is_better(scores.metrics[metric], value, measure_of(scores, scenario, best, metric).mean))
      best = system;
  }
  return best;
}

// "ahead" and "behind" need evidence: an interval that excludes zero, or, where no bootstrap was made, a difference
// larger than the spreads of both (as independent). Anything less is "level".
inline Comparison compare_to_baseline(const Scores& scores, const ScoredScenario& scenario, std::size_t metric) {
  Comparison comparison;
  const std::size_t none = scores.systems.size();
  comparison.model = none;
  for (std::size_t system = none; system-- > 0;)
    if (scores.systems[system].kind == SystemKind::model) comparison.model = system;
  comparison.baseline = best_system(scores, scenario, metric, SystemKind::baseline);
  if (comparison.model == none || comparison.baseline == none) return comparison;
  comparison.model_value = measure_of(scores, scenario, comparison.model, metric);
  comparison.baseline_value = measure_of(scores, scenario, comparison.baseline, metric);
  const double difference = comparison.model_value.mean - comparison.baseline_value.mean;
  if (!std::isfinite(difference)) return comparison;
  const auto noise = [](const Measure& measure) { return std::isfinite(measure.spread) ? measure.spread : 0; };
  const double reach = std::hypot(noise(comparison.model_value), noise(comparison.baseline_value));
  comparison.margin = {metric, comparison.baseline, difference, difference - reach, difference + reach};
  for (const Margin& margin : scenario.margins) {
    if (margin.metric != metric || margin.against != comparison.baseline || !std::isfinite(margin.difference)) continue;
    comparison.margin = margin;
    comparison.has_interval = std::isfinite(margin.low) && std::isfinite(margin.high);
  }
  const double sign = scores.metrics[metric].higher_is_better ? 1 : -1;
  const double low = (std::min)(sign * comparison.margin.low, sign * comparison.margin.high);
  const double high = (std::max)(sign * comparison.margin.low, sign * comparison.margin.high);
  comparison.outcome = low > 0 ? Outcome::ahead : high < 0 ? Outcome::behind : Outcome::level;
  return comparison;
}

// One metric of `scores` as a bar chart.
inline MetricBars metric_bars(const Scores& scores, std::size_t metric) {
  MetricBars bars;
  bars.title = scores.metrics[metric].name;
  bars.systems = scores.systems;
  bars.decimals = scores.metrics[metric].decimals;
  bars.higher_is_better = scores.metrics[metric].higher_is_better;
  for (const ScoredScenario& scenario : scores.scenarios) {
    MetricBars::Group group{scenario.name, {}, kNoData};
    for (std::size_t system = 0; system < scores.systems.size(); ++system)
      group.values.push_back(measure_of(scores, scenario, system, metric));
    if (metric < scenario.optimum.size()) group.optimum = scenario.optimum[metric];
    bars.groups.push_back(std::move(group));
  }
  return bars;
}

}  // namespace thaw::inline v0
