// The report of a run: what demo.cpp knows, as the parts of thaw::Report.
#pragma once

#include "hire/attention_maps.hpp"
#include "hire/new_user.hpp"
#include "hire/results.hpp"
#include "thaw/train/report.hpp"

namespace hire {

struct RunFacts {
  std::string variant, protocol, command;
  std::vector<std::uint64_t> seeds;
  std::vector<std::vector<double>> losses;  // of each seed
  double training_seconds = 0;
  Index parameters = 0;
  int threads = 1;
};

namespace detail {

// The mean over all leading axes: (..., rows, columns) -> (rows, columns). `first`, `count`: of the outermost axis.
template <class A>
std::vector<double> mean_map(const A& map, Index first, Index count) {
  const Index rows = map.shape[map.shape.rank - 2], columns = map.shape[map.shape.rank - 1];
  const Index each = map.size() / map.shape[0], cells = rows * columns;
  std::vector<double> mean(static_cast<std::size_t>(cells), 0);
  for (Index at = first * each; at < (first + count) * each; ++at)
    mean[static_cast<std::size_t>(at % cells)] +=
        static_cast<double>(map.data[at]) * static_cast<double>(cells) / static_cast<double>(count * each);
  return mean;
}

// How far each share of a map lies above or below an equal one: 0.5 is half as much again, -0.5 half as much.
inline std::vector<double> against_equal(std::vector<double> shares, std::size_t columns) {
  for (double& share : shares) share = share * static_cast<double>(columns) - 1;
  return shares;
}

inline std::vector<std::string> slot_names(const thaw::Dataset& data, const Settings& settings) {
  std::vector<std::string> names;
  for (const auto& a : data.users.attributes) names.push_back("user's " + a.name);
  if (settings.user_statistics > 0) names.push_back("user's record");
  for (const auto& a : data.items.attributes) names.push_back("item's " + a.name);
  if (settings.item_statistics > 0) names.push_back("item's record");
  names.push_back("rating");
  if (settings.cell_statistics > 0) names.push_back("pair's record");
  return names;
}

}  // namespace detail

// Three maps of the last block, in the context in which the new user's best ten are asked.
inline std::vector<thaw::HeatMap> heat_maps_of(const NewUser& her, const thaw::Dataset& data,
                                               Recommender& recommender) {
  using A = Trainer::A;
  std::vector<std::int32_t> queries;
  for (std::size_t i = 0; i < (std::min)(her.after.size(), std::size_t{10}); ++i) queries.push_back(her.after[i].item);
  thaw::Context context;
  pack_one(*her.stage, recommender, her.user, queries, context);
  thaw::ArenaScope scope(recommender.trainer->arena());
  const Hire<A> model = recommender.trainer->scoring_model();
  if (model.blocks.count == 0) return {};
  Trace<A> trace;
  model(recommender.packer->batch(), {}, &trace);
  const int last = model.blocks.count - 1;
  const auto maps = attention_maps(model.blocks[last], trace.inputs[last], model.settings.slots());
  std::vector<std::string> users, items;
  for (const std::int32_t u : context.users)
    users.push_back(u == her.user ? data.users.ids.text(u) + " (she)" : data.users.ids.text(u));
  for (std::size_t i = 0; i < context.items.size(); ++i) items.push_back(data.items.title(context.items[i]));
  const auto slots = detail::slot_names(data, model.settings);
  const std::string block = "Block " + std::to_string(last + 1) + " of " + std::to_string(last + 1) +
                            ". Against an equal share: 0.1 is a tenth more than that, −0.1 a tenth less. ";
  return {
      {"Between attributes", block + "Mean over all cells and heads: what each part of a cell reads from the others.",
       "reads", "from", slots, slots,
       detail::against_equal(detail::mean_map(maps.attributes, 0, maps.attributes.shape[0]), slots.size())},
      {"Between users", block + "Mean over items and heads. The first row is hers.", "reads", "from", users, users,
       detail::against_equal(detail::mean_map(maps.users, 0, 1), users.size())},
      {"Between items",
       block + "In her row, mean over heads. The first ten are asked; the rest is what she and her neighbours rated.",
       "reads", "from", items, items, detail::against_equal(detail::mean_map(maps.items, 0, 1), items.size())}};
}

inline thaw::CurveChart curve_of(const RunFacts& run) {
  thaw::CurveChart chart;
  chart.title = "Training loss";
  chart.caption =
      "Mean squared error of the ratings asked in each step, in squared stars. Faint: each step; bold: a running mean.";
  chart.x_label = "training step";
  chart.y_label = "squared error";
  for (std::size_t s = 0; s < run.losses.size(); ++s) {
    thaw::Curve curve;
    curve.name = "seed " + std::to_string(run.seeds[s]);
    curve.smoothing = run.losses[s].size() > 40 ? 0.95 : 0.7;
    for (std::size_t i = 0; i < run.losses[s].size(); ++i) {
      curve.x.push_back(static_cast<double>(i + 1));
      curve.y.push_back(run.losses[s][i]);
    }
    chart.curves.push_back(std::move(curve));
  }
  return chart;
}

inline std::string protocol_text(const std::string& protocol) {
  if (protocol == "published")
    return "The protocol of the published numbers: every row of a context is scored, visible ratings included. It "
           "repeats the literature and is not a measure of quality; docs/evaluation.md lists what leaks.";
  return "Leak-free: a new user or item shows at most three ratings; up to 32 hidden ratings of each user are ranked "
         "and predicted, nothing that is scored is ever input. Margins come from a paired bootstrap over users.";
}

inline thaw::Report report_of(const Task& task, const RunFacts& run, const std::vector<ScenarioResult>& results,
                              const NewUser* her, Recommender& model) {
  thaw::Report report;
  report.title = "Cold-start recommendation on " + (task.world ? "generated data" : task.data.name);
  report.subtitle = "HIRE, variant " + run.variant + ", " + run.protocol + " protocol";
  report.facts = {{"users", grouped(task.data.users.size())},
                  {"items", grouped(task.data.items.size())},
                  {"ratings", grouped(static_cast<std::int64_t>(task.data.ratings.size()))},
                  {"parameters", grouped(run.parameters)},
                  {"training steps", grouped(model.recipe().steps)},
                  {"training time", thaw::duration_text(run.training_seconds)}};
  report.curves = {curve_of(run)};
  report.scores = scores_of(results);
  report.protocol = protocol_text(run.protocol);
  if (her != nullptr) {
    report.rankings = {ranking_of(*her, task.data)};
    report.heat_maps = heat_maps_of(*her, task.data, model);
  }
  std::string seeds;
  for (const std::uint64_t seed : run.seeds) seeds += (seeds.empty() ? "" : ", ") + std::to_string(seed);
  report.provenance.command = run.command;
  report.provenance.reproduce = run.command;
  report.provenance.data = task.data.name + "; " + task.split_text;
  report.provenance.seeds = seeds;
  report.provenance.date = thaw::date_now();
  report.provenance.machine = std::to_string(run.threads) + (run.threads == 1 ? " thread" : " threads");
  return report;
}

}  // namespace hire
