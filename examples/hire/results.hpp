// Results: every predictor on the same queries, with margins over the best baseline, for people and for the report.
//
//   hire::ScenarioResult result = hire::score_baselines(data, stage.visible, queries, world);
//   result.add("HIRE", thaw::SystemKind::model, true, tables_of_all_seeds);
//   std::fputs(hire::result_text(hire::scores_of(results)).c_str(), stdout);
#pragma once

#include <functional>

#include "hire/stage.hpp"
#include "hire/task.hpp"
#include "thaw/baselines/attribute_neighbours.hpp"
#include "thaw/baselines/item_mean.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random.hpp"
#include "thaw/eval/result_table.hpp"
#include "thaw/train/report_data.hpp"

namespace hire {

// What is reported, the metric that decides first. Ranking metrics are shown in percent.
inline const std::vector<std::string>& shown_metrics() {
  static const std::vector<std::string> names{"NDCG@5", "P@5", "MAP@5", "MAE", "RMSE"};
  return names;
}
inline bool is_ranking(const std::string& metric) { return metric.find('@') != std::string::npos; }
inline double shown_scale(const std::string& metric) { return is_ranking(metric) ? 100 : 1; }

struct SystemResult {
  std::string name;
  thaw::SystemKind kind = thaw::SystemKind::baseline;
  bool predicts_ratings = true;          // false: it only orders, errors mean nothing
  std::vector<thaw::MetricTable> seeds;  // one for each training run
};

struct ScenarioResult {
  std::string name, note;
  std::vector<SystemResult> systems;
  std::optional<thaw::MetricTable> optimum;

  void add(std::string system, thaw::SystemKind kind, bool predicts_ratings, std::vector<thaw::MetricTable> seeds) {
    systems.push_back({std::move(system), kind, predicts_ratings, std::move(seeds)});
  }
};

template <class Predictor>
thaw::MetricTable evaluate_predictor(const std::vector<thaw::Query>& queries, const Predictor& predictor) {
  std::vector<thaw::UserScores> scores;
  for (const thaw::Query& query : queries) scores.push_back(thaw::score_query(query, predictor));
  return thaw::evaluate(scores);
}

// The best possible prediction for generated data, for who does not know the personal taste.
struct PlantedPredictor {
  const thaw::Generator* world;
  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = static_cast<float>(world->planted_mean(user, items[i]));
  }
};

inline ScenarioResult score_baselines(const thaw::Dataset& data, const thaw::RatingGraph& visible,
                                      const std::vector<thaw::Query>& queries, const thaw::Generator* world) {
  ScenarioResult result;
  const auto add = [&](const char* name, const auto& predictor) {
    using P = std::remove_cvref_t<decltype(predictor)>;
    result.add(name, thaw::SystemKind::baseline, P::kPredictsRatings, {evaluate_predictor(queries, predictor)});
  };
  add("random", thaw::RandomPredictor({.seed = 1, .lowest = data.lowest, .highest = data.highest}));
  add("popularity", thaw::PopularityPredictor(visible.by_item));
  add("item mean", thaw::ItemMeanPredictor(visible));
  add("user + item bias", thaw::UserItemBiasPredictor(visible));
  const auto users = views_of(data.users), items = views_of(data.items);
  if (!users.empty() || !items.empty()) add("attribute kNN", thaw::AttributeNeighboursPredictor(visible, users, items));
  if (world != nullptr) result.optimum = evaluate_predictor(queries, PlantedPredictor{world});
  return result;
}

namespace detail {

// Each user's value, averaged over the training runs.
inline std::vector<double> per_user(const SystemResult& system, const std::string& metric) {
  std::vector<double> mean;
  for (const thaw::MetricTable& table : system.seeds) {
    const thaw::MetricColumn* column = table.find(metric);
    if (column == nullptr) return {};
    mean.resize(column->per_user.size(), 0);
    for (std::size_t u = 0; u < mean.size(); ++u)
      mean[u] += column->per_user[u] / static_cast<double>(system.seeds.size());
  }
  return mean;
}

inline thaw::Spread over_seeds(const SystemResult& system, const std::string& metric) {
  if (!system.predicts_ratings && !is_ranking(metric)) return {};
  std::vector<double> means;
  for (const thaw::MetricTable& table : system.seeds) means.push_back(table.mean(metric));
  return thaw::summarize(means);
}

// The margin of the model over the strongest baseline, by a paired bootstrap over users.
inline void add_margins(const ScenarioResult& result, const thaw::Scores& scores, thaw::ScoredScenario& scenario) {
  const auto is_model = [](const SystemResult& s) { return s.kind == thaw::SystemKind::model; };
  const auto model = std::find_if(result.systems.begin(), result.systems.end(), is_model);
  for (std::size_t m = 0; model != result.systems.end() && m < shown_metrics().size(); ++m) {
    const std::string& metric = shown_metrics()[m];
    const std::size_t best = thaw::best_system(scores, scenario, m, thaw::SystemKind::baseline);
    if (best == scores.systems.size()) continue;
    const thaw::PairedDifference difference =
        thaw::paired_bootstrap(per_user(*model, metric), per_user(result.systems[best], metric));
    const double scale = shown_scale(metric);
    scenario.margins.push_back({m, best, scale * difference.mean, scale * difference.lower, scale * difference.upper});
  }
}

}  // namespace detail

// Everything as the report and the text show it: ranking metrics in percent.
inline thaw::Scores scores_of(const std::vector<ScenarioResult>& results) {
  thaw::Scores scores;
  if (results.empty()) return scores;
  for (const std::string& metric : shown_metrics())
    scores.metrics.push_back(
        {is_ranking(metric) ? metric + ", %" : metric, is_ranking(metric), is_ranking(metric) ? 2 : 4});
  for (const SystemResult& system : results.front().systems) scores.systems.push_back({system.name, system.kind});
  for (const ScenarioResult& result : results) {
    thaw::ScoredScenario scenario;
    scenario.name = result.name;
    scenario.note = result.note;
    for (const SystemResult& system : result.systems)
      for (const std::string& metric : shown_metrics()) {
        const thaw::Spread value = detail::over_seeds(system, metric);
        const double scale = shown_scale(metric);
        scenario.values.push_back({scale * value.mean, value.count > 1 ? scale * value.deviation : thaw::kNoData});
      }
    if (result.optimum)
      for (const std::string& metric : shown_metrics())
        scenario.optimum.push_back(shown_scale(metric) * result.optimum->mean(metric));
    detail::add_margins(result, scores, scenario);
    scores.scenarios.push_back(std::move(scenario));
  }
  return scores;
}

// "NDCG@5: 1.20 points better than attribute kNN (95 % interval 0.43 to 1.98)."
inline std::string margin_text(const thaw::Scores& scores, const thaw::ScoredScenario& scenario, std::size_t metric) {
  const thaw::Comparison c = thaw::compare_to_baseline(scores, scenario, metric);
  const std::string& name = shown_metrics()[metric];
  if (c.outcome == thaw::Outcome::unknown) return name + ": no baseline to compare with";
  const int decimals = is_ranking(name) ? 2 : 4;
  const double sign = scores.metrics[metric].higher_is_better ? 1 : -1;
  const double gain = sign * c.margin.difference;
  double low = sign * c.margin.low, high = sign * c.margin.high;
  if (low > high) std::swap(low, high);
  const std::string amount = thaw::fixed_text(std::abs(gain), decimals) + (is_ranking(name) ? " points" : "");
  const std::string& baseline = scores.systems[c.baseline].name;
  std::string text = name + ": ";
  if (c.outcome == thaw::Outcome::ahead)
    text += amount + " better than the best baseline, " + baseline;
  else if (c.outcome == thaw::Outcome::behind)
    text += "LOSES to " + baseline + " by " + amount;
  else
    text += "level with " + baseline + ": " + amount + (gain >= 0 ? " ahead" : " behind") + ", which chance explains";
  return text + " (95 % interval of the gain " + thaw::signed_text(low, decimals) + " to " +
         thaw::signed_text(high, decimals) + ")";
}

inline thaw::ResultTable scenario_table(const ScenarioResult& result, const std::vector<std::string>& metrics) {
  thaw::ResultTable table(result.name + ": " + result.note, metrics);
  for (const SystemResult& system : result.systems) {
    std::vector<thaw::Spread> row;
    for (const std::string& metric : metrics) row.push_back(detail::over_seeds(system, metric));
    table.add_row(system.name, row);
  }
  if (result.optimum) table.add_row("planted optimum", *result.optimum);
  return table;
}

// All scenarios with every metric at every depth, in Markdown: too wide for a terminal.
inline std::string wide_tables(const std::vector<ScenarioResult>& results) {
  std::vector<std::string> metrics;
  for (const char* depth : {"5", "7", "10"})
    for (const char* name : {"P@", "NDCG@", "MAP@"}) metrics.push_back(std::string(name) + depth);
  metrics.insert(metrics.end(), {"MAE", "RMSE"});
  std::string text;
  for (const ScenarioResult& result : results) text += scenario_table(result, metrics).markdown() + "\n";
  return text;
}

inline std::string scenario_text(const ScenarioResult& result, const thaw::Scores& scores, std::size_t which) {
  std::string text = scenario_table(result, shown_metrics()).text();
  for (const std::size_t metric : {std::size_t{0}, std::size_t{2}, std::size_t{3}})
    text += "  " + margin_text(scores, scores.scenarios[which], metric) + "\n";
  return text;
}

}  // namespace hire
