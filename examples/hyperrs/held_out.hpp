// HeldOutUsers: new users with what is shown of them and what is asked, and how a learner is scored on them.
//
//   auto held = hyperrs::hold_out(task, sampler, thaw::UserGroup::test, thaw::ItemSet::known);
//   thaw::Result<thaw::MetricTable> table = held.value().score(*learner, /*steps*/ 1);
//   thaw::Result<thaw::MetricTable> base = held.value().rank(popularity);
//
// Objective::ranking: every item of the set is a candidate, less the support. Objective::rating: the errors of the
// query records. Nothing here may train.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/task.hpp"
#include "thaw/eval/metric_table.hpp"
#include "thaw/eval/top_n.hpp"

namespace hyperrs {

// What a table shows. Ranking metrics are shares of one and print as percent.
inline const std::vector<std::string>& shown_metrics(Objective objective) {
  static const std::vector<std::string> ranking{"Recall@5", "NDCG@5", "Recall@10", "NDCG@10", "Recall@20", "NDCG@20"};
  static const std::vector<std::string> rating{"MAE", "RMSE"};
  return objective == Objective::ranking ? ranking : rating;
}
// The metric that chooses models and settings, on validation users.
inline const char* deciding_metric(Objective objective) { return objective == Objective::ranking ? "NDCG@10" : "MAE"; }
// Greater is better for whatever metric.
inline double as_gain(Objective objective, double value) { return objective == Objective::ranking ? value : -value; }

class HeldOutUsers {
 public:
  HeldOutUsers(std::vector<thaw::Episode> episodes, std::span<const std::int32_t> candidates, Objective objective)
      : episodes_(std::move(episodes)), candidates_(candidates), objective_(objective) {
    for (const thaw::Episode& e : episodes_) queries_.push_back({e.user, e.support.items, e.query.items});
  }
  // The queries refer to the episodes.
  HeldOutUsers(const HeldOutUsers&) = delete;
  HeldOutUsers(HeldOutUsers&&) = default;
  HeldOutUsers& operator=(const HeldOutUsers&) = delete;
  HeldOutUsers& operator=(HeldOutUsers&&) = delete;

  std::span<const thaw::Episode> episodes() const { return episodes_; }
  std::span<const std::int32_t> candidates() const { return candidates_; }
  Objective objective() const { return objective_; }

  // `scorer` is anything that evaluate_top_n takes.
  template <class Scorer>
  thaw::Result<thaw::MetricTable> rank(Scorer&& scorer) const {
    return thaw::evaluate_top_n(queries_, candidates_, scorer);
  }
  // predict(episode, out) for the query records.
  template <class Predict>
  thaw::MetricTable errors(Predict&& predict) const {
    std::vector<thaw::UserScores> scores;
    for (const thaw::Episode& e : episodes_) {
      scores.push_back({e.user, e.query.items, std::vector<float>(e.query.items.size()), e.query.labels});
      predict(e, std::span<float>(scores.back().predictions));
    }
    return thaw::evaluate(scores, {.depths = {}});
  }
  // With `shown` false the learner adapts to nothing: what the same users would get from it without their records.
  thaw::Result<thaw::MetricTable> score(const Learner& learner, int steps, bool shown = true) const {
    const auto adapt = [&](const thaw::Episode& e) {
      return learner.adapt(e.user, shown ? e.support : thaw::Episode::Part{}, steps);
    };
    if (objective_ == Objective::rating)
      return errors([&](const thaw::Episode& e, std::span<float> out) { adapt(e)->score(e.query.items, out); });
    return rank([&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
      adapt(episodes_[static_cast<std::size_t>(&query - queries_.data())])->score(items, out);
    });
  }

 private:
  std::vector<thaw::Episode> episodes_;
  std::vector<thaw::TopNQuery> queries_;
  std::span<const std::int32_t> candidates_;
  Objective objective_;
};

// At most `most` users, evenly spread over the group; 0: all.
inline thaw::Result<HeldOutUsers> hold_out(const Task& task, const thaw::EpisodeSampler& sampler, thaw::UserGroup group,
                                           thaw::ItemSet set, std::size_t most = 0) {
  thaw::Result<std::vector<thaw::Episode>> all = sampler.held_out(group, set);
  if (!all) return all.fault();
  std::vector<thaw::Episode> kept;
  const std::size_t found = all.value().size(), wanted = most == 0 || most > found ? found : most;
  for (std::size_t i = 0; i < wanted; ++i) kept.push_back(std::move(all.value()[i * found / wanted]));
  return HeldOutUsers(std::move(kept), task.candidates(set), task.objective);
}

// New users with so many records shown, on known items or on items that nobody may learn from.
struct Scenario {
  int support;
  thaw::ItemSet items;
  HeldOutUsers validation, test;

  std::string name() const {
    return std::string(items == thaw::ItemSet::known ? "warm items" : "cold items") + ", support " +
           std::to_string(support);
  }
};

// Every support with warm items, then every support with cold ones. `most_validation`, `most_test`: users; 0: all. A
// scenario for which too few users have records is left out; a fault where that leaves no warm one.
inline thaw::Result<std::vector<Scenario>> make_scenarios(const Task& task, std::span<const int> supports,
                                                          std::size_t most_validation = 0, std::size_t most_test = 0) {
  std::vector<Scenario> scenarios;
  for (const thaw::ItemSet set : {thaw::ItemSet::known, thaw::ItemSet::cold})
    for (const int support : supports) {
      if (task.candidates(set).empty()) continue;
      const thaw::EpisodeSampler sampler = task.sampler({.support = support});
      auto validation = hold_out(task, sampler, thaw::UserGroup::validation, set, most_validation);
      auto test = hold_out(task, sampler, thaw::UserGroup::test, set, most_test);
      const bool both = validation.ok() && test.ok();
      if (!both && scenarios.empty()) return validation ? test.fault() : validation.fault();
      if (both) scenarios.push_back({support, set, std::move(validation.value()), std::move(test.value())});
    }
  return scenarios;
}

}  // namespace hyperrs
