// The report of a run: one self-contained page with the result table, the learning curve and the interest maps.
//
//   auto map = hyperrs::interest_map(*learner, task.data.items, tests.value(), task.candidates(set), {.steps = 1});
//   auto written = hyperrs::write_interest_report("out/report.html", task, facts, scores, map ? &map.value() :
//   nullptr);
//
// `scores` as thaw::Report has them: the model first, then what it is compared with. Measures nothing itself.
#pragma once

#include <string>
#include <vector>

#include "hyperrs/interest_map.hpp"
#include "hyperrs/task.hpp"
#include "thaw/train/progress.hpp"
#include "thaw/train/report.hpp"

namespace hyperrs {

// What the trainer knows of a run.
struct PageFacts {
  std::string learner, variant, protocol, command;
  std::vector<std::uint64_t> seeds;
  std::vector<std::vector<double>> losses;  // of each seed, one number an outer step
  std::int64_t parameters = 0;
  double training_seconds = 0;
  int threads = 1;
};

namespace detail {

// Ids that are mere numbers are called users.
inline std::vector<std::string> names_of_users(const InterestMap& map, const thaw::Entities& users) {
  std::vector<std::string> names;
  for (const std::int32_t user : map.users) {
    const std::string id = user >= 0 && user < users.size() ? users.ids.text(user) : std::to_string(user);
    const bool is_number = id.find_first_not_of("0123456789") == std::string::npos;
    names.push_back(is_number ? "user " + id : id);
  }
  return names;
}

inline std::string ranking_text(const InterestMap& map) {
  std::string text;
  for (const AttributeInterest& a : map.attributes)
    text += (text.empty() ? "" : "; ") + a.name + " " + thaw::fixed_text(a.mean_change, 2) + " (NDCG@" +
            std::to_string(map.depth) + " " + thaw::signed_text(-100 * a.mean_lost_ndcg, 2) + " points)";
  return text;
}

}  // namespace detail

// Users by attributes, what matters most first.
inline thaw::HeatMap attribute_map(const InterestMap& map, const thaw::Entities& users) {
  thaw::HeatMap out;
  out.title = "Which attributes matter to whom";
  out.caption =
      "How far a user's scores move when all items lose the attribute and she is adapted again, in standard "
      "deviations of her scores. Means over these users, and what their rankings lose without it: " +
      detail::ranking_text(map) + ".";
  out.row_axis = "new user";
  out.column_axis = "without";
  out.row_labels = detail::names_of_users(map, users);
  for (const AttributeInterest& a : map.attributes) out.column_labels.push_back(a.name);
  for (std::size_t u = 0; u < map.users.size(); ++u)
    for (const AttributeInterest& a : map.attributes) out.values.push_back(a.change[u]);
  out.row_labels.push_back("mean of them");
  for (const AttributeInterest& a : map.attributes) out.values.push_back(a.mean_change);
  return out;
}

// Users by the values of one attribute.
inline thaw::HeatMap value_map(const InterestMap& map, const AttributeInterest& attribute,
                               const thaw::Entities& users) {
  thaw::HeatMap out;
  out.title = "Inside " + attribute.name;
  out.caption =
      "What a value gives the items that carry it, beyond what it gives the others, in standard deviations "
      "of the user's scores: above zero it draws her, below it repels her. Empty: not in her support.";
  out.row_axis = "new user";
  out.column_axis = attribute.name;
  out.row_labels = detail::names_of_users(map, users);
  out.column_labels = attribute.values;
  out.values = attribute.lift;
  return out;
}

// Users by attributes: the published statistic, for looking at beside the map. False where nothing is generated.
inline bool published_map(const InterestMap& map, const thaw::Entities& users, thaw::HeatMap& out) {
  out = attribute_map(map, users);
  out.title = "The published statistic: not comparable between attributes";
  out.caption =
      "Share of the generated weights of an attribute's layer that lie in the upper half of their range. It "
      "follows from the range's two extreme weights and from the activation that makes them, so a column "
      "may be compared with itself alone; the order of columns is that of the first map.";
  out.column_axis = "layer of";
  out.row_labels = detail::names_of_users(map, users);
  out.values.assign(map.users.size() * map.attributes.size(), thaw::kNoData);
  bool has_any = false;
  for (std::size_t a = 0; a < map.attributes.size(); ++a)
    for (std::size_t u = 0; u < map.attributes[a].share.size() && u < map.users.size(); ++u) {
      out.values[u * map.attributes.size() + a] = map.attributes[a].share[u];
      has_any = true;
    }
  return has_any;
}

inline std::vector<thaw::HeatMap> heat_maps_of(const InterestMap& map, const thaw::Entities& users) {
  std::vector<thaw::HeatMap> maps{attribute_map(map, users)};
  for (const AttributeInterest& a : map.attributes)
    if (!a.values.empty()) maps.push_back(value_map(map, a, users));
  thaw::HeatMap published;
  if (published_map(map, users, published)) maps.push_back(std::move(published));
  return maps;
}

inline thaw::CurveChart learning_curve(const PageFacts& facts) {
  thaw::CurveChart chart;
  chart.title = "Training loss";
  chart.caption = "Query loss of each meta-batch before its outer step. Faint: each step; bold: a running mean.";
  chart.x_label = "outer step";
  chart.y_label = "query loss";
  for (std::size_t s = 0; s < facts.losses.size(); ++s) {
    thaw::Curve curve;
    curve.name = s < facts.seeds.size() ? "seed " + std::to_string(facts.seeds[s]) : "run " + std::to_string(s + 1);
    curve.smoothing = facts.losses[s].size() > 40 ? 0.9 : 0.7;
    for (std::size_t i = 0; i < facts.losses[s].size(); ++i) {
      curve.x.push_back(static_cast<double>(i + 1));
      curve.y.push_back(facts.losses[s][i]);
    }
    chart.curves.push_back(std::move(curve));
  }
  return chart;
}

// `interests` may be null.
inline thaw::Report interest_report(const Task& task, const PageFacts& facts, const thaw::Scores& scores,
                                    const InterestMap* interests) {
  thaw::Report report;
  report.title = "New users on " + (task.generator ? "generated data" : task.data.name);
  report.subtitle = facts.learner + ", variant " + facts.variant;
  report.facts = {{"users", std::to_string(task.data.users.size())},
                  {"items", std::to_string(task.data.items.size())},
                  {"training records", std::to_string(task.split.train.size())},
                  {"parameters", std::to_string(facts.parameters)},
                  {"training time", thaw::duration_text(facts.training_seconds)}};
  if (!facts.losses.empty()) report.curves = {learning_curve(facts)};
  report.scores = scores;
  report.protocol = facts.protocol;
  if (interests != nullptr) report.heat_maps = heat_maps_of(*interests, task.data.users);
  std::string seeds;
  for (const std::uint64_t seed : facts.seeds) seeds += (seeds.empty() ? "" : ", ") + std::to_string(seed);
  report.provenance.command = report.provenance.reproduce = facts.command;
  report.provenance.data = task.data.name + "; " + task.text;
  report.provenance.seeds = seeds;
  report.provenance.date = thaw::date_now();
  report.provenance.machine = std::to_string(facts.threads) + (facts.threads == 1 ? " thread" : " threads");
  return report;
}

inline thaw::Result<thaw::Done> write_interest_report(const std::string& path, const Task& task, const PageFacts& facts,
                                                      const thaw::Scores& scores, const InterestMap* interests) {
  return thaw::write_report(path, interest_report(task, facts, scores, interests));
}

}  // namespace hyperrs
