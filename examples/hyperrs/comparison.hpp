// Comparison: all methods and learners side by side, a table a scenario, with paired bootstrap intervals.
//
//   hyperrs::Comparison all(scenarios, Objective::ranking);
//   all.add("EASE (lambda 200)", thaw::SystemKind::baseline, rows);          // rows of one seed, any scenario
//   all.add_learner(entry, rows_of_seed_1), all.add_learner(entry, rows_of_seed_2);
//   std::fputs(all.text().c_str(), stdout);                                   // or markdown(), or scores("hyperrs")
//
// A user's value is its mean over seeds before users are resampled. Every learner is compared with the best simple
// method of the scenario, which is chosen by its mean on the test users: in the method's favour, not in the learner's,
// and with itself at other inner steps and with nothing shown. The one that was added first is compared with every
// other learner as well. At the end, each learner over all supports of an item set at once: a user's mean over them.
#pragma once

#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/experiment.hpp"
#include "thaw/eval/result_table.hpp"
#include "thaw/train/report_data.hpp"
#include "thaw/train/text.hpp"

namespace hyperrs {

class Comparison {
 public:
  Comparison(std::span<const Scenario> scenarios, Objective objective) : scenarios_(scenarios), objective_(objective) {}

  void add_simple(const std::vector<ScoredRow>& rows) {
    for (const ScoredRow& row : rows) add(row, thaw::SystemKind::baseline, {}, false);
  }
  // Once a seed.
  void add_learner(const LearnerEntry& entry, const std::vector<ScoredRow>& rows) {
    const std::string own = entry.row_name(entry.test_steps[0]);
    for (const ScoredRow& row : rows) add(row, thaw::SystemKind::model, entry.name, row.name == own);
  }
  bool empty() const { return systems_.empty(); }

  std::string text() const { return all(false); }
  std::string markdown() const { return all(true); }

  // As a report shows it. The first learner's own row comes first; other numbers of inner steps are not compared.
  thaw::Scores scores() const;

  // The gain of a over b, per user, in the metric's shown units: greater is better.
  struct Gain {
    std::string metric;
    double mean = 0, low = 0, high = 0;
  };

 private:
  struct System {
    std::string name;
    thaw::SystemKind kind;
    std::string_view learner = {};                      // empty: a simple method
    bool is_own = false;                                // of a learner: the number of inner steps it is meant to take
    std::vector<std::vector<thaw::MetricTable>> seeds;  // (scenarios): a table a seed, none where not scored
  };

  void add(const ScoredRow& row, thaw::SystemKind kind, std::string_view learner, bool is_own) {
    std::size_t at = 0;
    while (at < systems_.size() && systems_[at].name != row.name) ++at;
    if (at == systems_.size()) {
      systems_.push_back({row.name, kind, learner, is_own, {}});
      systems_.back().seeds.resize(scenarios_.size());
    }
    systems_[at].seeds[row.scenario].push_back(row.table);
  }
  const std::vector<std::string>& metrics() const { return shown_metrics(objective_); }
  static double scale(const std::string& metric) { return metric.find('@') == std::string::npos ? 1 : 100; }
  static int decimals(const std::string& metric) { return metric.find('@') == std::string::npos ? 4 : 2; }

  thaw::Spread over_seeds(const System& system, std::size_t scenario, const std::string& metric) const {
    std::vector<double> means;
    for (const thaw::MetricTable& table : system.seeds[scenario]) means.push_back(table.mean(metric));
    return thaw::summarize(means);
  }
  static std::vector<double> per_user(const System& system, std::size_t scenario, const std::string& metric) {
    std::vector<double> mean;
    const auto& seeds = system.seeds[scenario];
    for (const thaw::MetricTable& table : seeds) {
      const thaw::MetricColumn* column = table.find(metric);
      if (column == nullptr) return {};
      mean.resize(column->per_user.size(), 0);
      for (std::size_t u = 0; u < mean.size(); ++u) mean[u] += column->per_user[u] / static_cast<double>(seeds.size());
    }
    return mean;
  }
  Gain gain(const System& a, const System& b, std::size_t scenario, const std::string& metric) const {
    return difference(per_user(a, scenario, metric), per_user(b, scenario, metric), metric);
  }
  Gain difference(const std::vector<double>& first, const std::vector<double>& second,
                  const std::string& metric) const {
    if (first.size() != second.size() || first.empty()) return {metric, thaw::kNoData, thaw::kNoData, thaw::kNoData};
    const bool up = objective_ == Objective::ranking;
    const thaw::PairedDifference d = up ? thaw::paired_bootstrap(first, second) : thaw::paired_bootstrap(second, first);
    const double by = scale(metric);
    return {metric, by * d.mean, by * d.lower, by * d.upper};
  }
  // The best system of a kind in a scenario, null when there is none.
  const System* best_simple(std::size_t scenario, const std::string& metric) const {
    const System* best = nullptr;
    double value = 0;
    for (const System& system : systems_) {
      if (system.kind != thaw::SystemKind::baseline || system.seeds[scenario].empty()) continue;
      const double gained = as_gain(objective_, over_seeds(system, scenario, metric).mean);
      if (best == nullptr || gained > value) best = &system, value = gained;
    }
    return best;
  }
  const System* first_learner() const {
    for (const System& system : systems_)
      if (system.is_own) return &system;
    return nullptr;
  }
  // What intervals are made for.
  std::vector<std::string> compared() const {
    return objective_ == Objective::ranking ? std::vector<std::string>{"Recall@10", "NDCG@10"}
                                            : std::vector<std::string>{"MAE"};
  }
  static std::string gain_text(const Gain& g) {
    const int places = decimals(g.metric);
    const char* verdict = g.low > 0 ? "ahead" : g.high < 0 ? "BEHIND" : "level";
    return g.metric + " " + thaw::signed_text(g.mean, places) + " (" + thaw::signed_text(g.low, places) + " to " +
           thaw::signed_text(g.high, places) + ", " + verdict + ")";
  }
  std::string margins(std::size_t scenario, bool markdown) const {
    std::string text;
    const auto line = [&](const System& a, const System& b, const std::vector<std::string>& of) {
      text += (markdown ? "- " : "  ") + a.name + " against " + b.name + ": ";
      for (std::size_t m = 0; m < of.size(); ++m) text += (m > 0 ? "; " : "") + gain_text(gain(a, b, scenario, of[m]));
      text += "\n";
    };
    for (const System& system : systems_) {
      if (!system.is_own || system.seeds[scenario].empty()) continue;
      std::vector<std::string> of = compared();
      const System* best = best_simple(scenario, of[0]);
      if (best == nullptr) continue;
      if (best_simple(scenario, of.back()) == best) {
        line(system, *best, of);
        continue;
      }
      for (const std::string& metric : of) line(system, *best_simple(scenario, metric), {metric});
    }
    const System* first = first_learner();
    for (const System& system : systems_) {
      if (!system.is_own || system.seeds[scenario].empty()) continue;
      for (const System& other : systems_) {
        const bool itself = !other.is_own && other.kind == thaw::SystemKind::model && other.learner == system.learner;
        const bool another = &system == first && other.is_own && &other != first;
        if ((itself || another) && !other.seeds[scenario].empty()) line(system, other, compared());
      }
    }
    return text;
  }
  // Per user the mean over the scenarios of an item set that she is in, in the order of user numbers.
  std::vector<double> over_supports(const System& system, thaw::ItemSet set, const std::string& metric) const {
    std::map<std::int32_t, std::pair<double, int>> sums;
    for (std::size_t s = 0; s < scenarios_.size(); ++s) {
      if (scenarios_[s].items != set || system.seeds[s].empty()) continue;
      const std::vector<double> values = per_user(system, s, metric);
      const auto& users = system.seeds[s][0].users;
      for (std::size_t u = 0; u < values.size(); ++u) {
        auto& [sum, count] = sums[users[u]];
        sum += values[u];
        ++count;
      }
    }
    std::vector<double> means;
    for (const auto& [user, sum] : sums) means.push_back(sum.first / sum.second);
    return means;
  }
  // Every learner against the simple method that is best over all supports of the set.
  std::string margins_over_supports(thaw::ItemSet set, bool markdown) const {
    std::string text;
    const auto mean = [](const std::vector<double>& v) {
      return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>((std::max)(v.size(), std::size_t{1}));
    };
    for (const std::string& metric : compared()) {
      const System* best = nullptr;
      std::vector<double> bar;
      for (const System& system : systems_) {
        if (system.kind != thaw::SystemKind::baseline) continue;
        std::vector<double> own = over_supports(system, set, metric);
        const bool better = best == nullptr || as_gain(objective_, mean(own)) > as_gain(objective_, mean(bar));
        if (!own.empty() && better) best = &system, bar = std::move(own);
      }
      for (const System& system : systems_) {
        const std::vector<double> own = over_supports(system, set, metric);
        if (!system.is_own || best == nullptr || own.size() != bar.size()) continue;
        text += (markdown ? "- " : "  ") + system.name + " against " + best->name + ": " +
                gain_text(difference(own, bar, metric)) + "\n";
      }
    }
    const char* name = set == thaw::ItemSet::known ? "warm items" : "cold items";
    return text.empty() ? text : std::string(name) + ", all supports: a user's mean\n" + (markdown ? "\n" : "") + text;
  }
  std::string title(std::size_t scenario) const {
    const Scenario& s = scenarios_[scenario];
    std::string text = s.name() + ": " + std::to_string(s.test.episodes().size()) + " new users";
    if (objective_ == Objective::ranking) text += ", " + std::to_string(s.test.candidates().size()) + " items ranked";
    return text;
  }
  std::string all(bool markdown) const {
    std::string text;
    for (std::size_t s = 0; s < scenarios_.size(); ++s) {
      thaw::ResultTable table(title(s), metrics());
      for (const System& system : systems_) {
        if (system.seeds[s].empty()) continue;
        std::vector<thaw::Spread> row;
        for (const std::string& metric : metrics()) row.push_back(over_seeds(system, s, metric));
        table.add_row(system.name, row);
      }
      text += (markdown ? table.markdown() + "\n" : table.text()) + margins(s, markdown) + "\n";
    }
    for (const thaw::ItemSet set : {thaw::ItemSet::known, thaw::ItemSet::cold})
      text += margins_over_supports(set, markdown) + "\n";
    return text;
  }

  std::span<const Scenario> scenarios_;
  Objective objective_;
  std::vector<System> systems_;
};

inline thaw::Scores Comparison::scores() const {
  thaw::Scores out;
  std::vector<std::string> names = metrics();
  for (std::string& name : names)
    if (name == deciding_metric(objective_)) std::swap(name, names[0]);  // decides the verdict
  for (const std::string& name : names)
    out.metrics.push_back({scale(name) > 1 ? name + ", %" : name, objective_ == Objective::ranking, decimals(name)});
  std::vector<const System*> order;
  for (const bool wanted : {true, false})
    for (const System& system : systems_)
      if (system.is_own == wanted) order.push_back(&system);
  for (const System* system : order) {
    const bool is_shown = system->kind == thaw::SystemKind::baseline || system->is_own;
    out.systems.push_back({system->name, is_shown ? system->kind : thaw::SystemKind::reference});
  }
  for (std::size_t s = 0; s < scenarios_.size(); ++s) {
    thaw::ScoredScenario scenario;
    scenario.name = scenarios_[s].name();
    scenario.note = title(s);
    for (const System* system : order)
      for (const std::string& name : names) {
        const thaw::Spread value = over_seeds(*system, s, name);
        scenario.values.push_back(
            {scale(name) * value.mean, value.count > 1 ? scale(name) * value.deviation : thaw::kNoData});
      }
    const System* first = first_learner();
    for (std::size_t m = 0; m < names.size() && first != nullptr; ++m) {
      const System* best = best_simple(s, names[m]);
      if (best == nullptr || first->seeds[s].empty()) continue;
      const Gain g = gain(*first, *best, s, names[m]);
      const double sign = out.metrics[m].higher_is_better ? 1 : -1;
      const auto against = static_cast<std::size_t>(std::find(order.begin(), order.end(), best) - order.begin());
      scenario.margins.push_back({m, against, sign * g.mean, sign * g.low, sign * g.high});
    }
    out.scenarios.push_back(std::move(scenario));
  }
  return out;
}

}  // namespace hyperrs
