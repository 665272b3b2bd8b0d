// The protocol of new items: train a base on old ones, let a method learn, then score and learn slice by slice.
//
//   auto base = mwuf::train_base("deepfm", world, base_options, training).value();
//   auto method = mwuf::find_method("mwuf")->make(*base, world);
//   method->learn();
//   mwuf::PhaseScores scores = mwuf::run_phases(*method, world, tuning);
//   scores.of(thaw::Phase::cold, thaw::EvaluationOrder::next_slice)          // probabilities
//
// What is tuned is tuned on pseudo-new items: the least popular old ones, taken out of the base and split like new
// ones. Neither the base of the tuning nor the tuning itself ever reads an impression of a new item.
#pragma once

#include <array>
#include <cmath>
#include <functional>
#include <string>

#include "mwuf/dropoutnet.hpp"
#include "mwuf/method.hpp"
#include "mwuf/models.hpp"
#include "mwuf/taste_base.hpp"
#include "thaw/baselines/click_counts.hpp"
#include "thaw/eval/click_metrics.hpp"

namespace mwuf {

struct BaseTraining {
  Index batch = 256;
  double rate = 1e-3;
  int epochs = 1;
  double rate_fall = 0;  // share of the rate that is gone after the last epoch
  ItemDropperOptions dropout = {};
};

// One pass after another over the old items' impressions, shuffled. Returns the mean loss of the last pass.
inline double train_base(ClickBase& base, const ClickWorld& world, const BaseTraining& training) {
  Batches batches(*world.task, training.batch);
  ItemDropper dropper(training.dropout, world.seed);
  std::vector<std::int32_t> rows(world.old_rows().begin(), world.old_rows().end());
  double loss = 0;
  for (int e = 0; e < training.epochs; ++e) {
    shuffle(rows, world.seed, static_cast<std::uint64_t>(e));
    double sum = 0;
    const double rate = training.rate * (1 - training.rate_fall * e / training.epochs);
    each_batch(rows, training.batch, [&](Rows part) {
      const ItemDropout dropout = dropper.next(base, world.old_items(), static_cast<Index>(part.size()));
      sum += static_cast<double>(part.size()) * base.train(batches.fill(part), rate, dropout);
    });
    loss = rows.empty() ? 0 : sum / static_cast<double>(rows.size());
  }
  return loss;
}

// The base of `best`, trained.
inline std::unique_ptr<ClickBase> make_taste_base(const ClickWorld& world, const TasteOptions& options = {}) {
  auto base = std::make_unique<TasteBase>(*world.task, options, world.seed);
  base->fit_biases(*world.task);
  BaseTraining training;
  training.batch = 1024;
  training.rate = options.rate;
  training.rate_fall = 0.9;
  training.epochs = options.epochs;
  training.dropout = {.share = options.item_dropout, .zero = true};
  train_base(*base, world, training);
  return base;
}

// The base of that name at its start. Errors: no such base.
inline thaw::Result<std::unique_ptr<ClickBase>> make_base(const std::string& name, const ClickWorld& world,
                                                          const BaseOptions& options) {
  std::unique_ptr<ClickBase> base;
  const auto known = with_base_model(name.c_str(), [&](auto model) {
    base = make_click_base(world.task->plan, decltype(model)::spec(world.task->plan, options), {.seed = world.seed});
  });
  if (!known) return known.fault();
  return base;
}

// Probabilities for the impressions of every phase, in the order of the split, under both orders of evaluation.
struct PhaseScores {
  std::array<std::array<std::vector<float>, 4>, 2> probabilities;

  std::vector<float>& of(thaw::Phase phase, thaw::EvaluationOrder order) {
    return probabilities[order == thaw::EvaluationOrder::fixed_test ? 1 : 0][static_cast<std::size_t>(phase)];
  }
};

inline std::vector<float> labels_of(const Task& task, Rows rows) {
  std::vector<float> labels;
  for (const std::int32_t r : rows) labels.push_back(task.clicks().labels[static_cast<std::size_t>(r)]);
  return labels;
}
inline std::vector<std::int32_t> items_of(const Task& task, Rows rows) {
  std::vector<std::int32_t> items;
  for (const std::int32_t r : rows) items.push_back(task.clicks().items[static_cast<std::size_t>(r)]);
  return items;
}

// score(rows) -> probabilities; learn(slice) comes between the phases.
template <class Score, class Learn>
PhaseScores each_phase(const Task& task, const Score& score, const Learn& learn) {
  using thaw::EvaluationOrder;
  PhaseScores out;
  for (const thaw::Phase phase : thaw::kPhases) {
    if (phase != thaw::Phase::cold) learn(task.split.learnt(phase));
    auto& test = out.of(phase, EvaluationOrder::fixed_test) =
        score(task.split.measured(phase, EvaluationOrder::fixed_test));
    out.of(phase, EvaluationOrder::next_slice) =
        phase == thaw::Phase::warm_c ? test : score(task.split.measured(phase, EvaluationOrder::next_slice));
  }
  return out;
}

inline PhaseScores run_phases(WarmUp& method, const ClickWorld& world, const FineTuning& tuning) {
  method.arrive();
  Batches batches(*world.task, kMostRows);
  std::vector<float> logits(static_cast<std::size_t>(kMostRows));
  std::vector<std::int32_t> places, sorted;
  // Item by item, because a method may have to make something for each item it meets in a batch.
  const auto score = [&](Rows rows) {
    places.resize(rows.size());
    std::iota(places.begin(), places.end(), 0);
    std::stable_sort(places.begin(), places.end(), [&](std::int32_t a, std::int32_t b) {
      return world.item_of(rows[static_cast<std::size_t>(a)]) < world.item_of(rows[static_cast<std::size_t>(b)]);
    });
    sorted.clear();
    for (const std::int32_t place : places) sorted.push_back(rows[static_cast<std::size_t>(place)]);
    std::vector<float> out(rows.size());
    auto place = places.cbegin();
    each_batch(sorted, kMostRows, [&](Rows part) {
      method.score(batches.fill(part), logits.data());
      for (std::size_t i = 0; i < part.size(); ++i)
        out[static_cast<std::size_t>(*place++)] = 1.0f / (1.0f + std::exp(-logits[i]));
    });
    return out;
  };
  return each_phase(*world.task, score, [&](Rows slice) {
    method.observe(slice);
    method.fit(slice, tuning);
  });
}

// The counting baseline: what users and items do on average, without any learning.
inline PhaseScores run_counts(const Task& task) {
  const thaw::Clicks& clicks = task.clicks();
  thaw::ClickCounts counts(clicks.user_count, clicks.item_count);
  const auto users = [&](Rows rows) {
    std::vector<std::int32_t> out;
    for (const std::int32_t r : rows) out.push_back(clicks.users[static_cast<std::size_t>(r)]);
    return out;
  };
  counts.learn_users(users(task.split.base), labels_of(task, task.split.base));
  return each_phase(
      task,
      [&](Rows rows) {
        std::vector<float> out(rows.size());
        counts.score(users(rows), items_of(task, rows), out);
        return out;
      },
      [&](Rows slice) { counts.learn_items(items_of(task, slice), labels_of(task, slice)); });
}

inline thaw::ClickReport report_of(const Task& task, PhaseScores& scores, thaw::Phase phase,
                                   thaw::EvaluationOrder order) {
  thaw::ClickMetrics metrics;
  metrics.add(scores.of(phase, order), labels_of(task, task.split.measured(phase, order)));
  return metrics.report();
}

// What a tuning is judged by: the mean AUC over all phases and both orders.
inline double mean_auc(const Task& task, PhaseScores& scores) {
  double sum = 0;
  for (const thaw::EvaluationOrder order : {thaw::EvaluationOrder::next_slice, thaw::EvaluationOrder::fixed_test})
    for (const thaw::Phase phase : thaw::kPhases)
      sum += thaw::area_under_curve(scores.of(phase, order), labels_of(task, task.split.measured(phase, order))).value;
  return sum / 8;
}

// The grid that every method with fine-tuned vectors gets: the same budget for all.
inline std::vector<FineTuning> fine_tuning_grid() {
  std::vector<FineTuning> grid;
  for (const double rate : {1e-3, 5e-3, 2e-2})
    for (const int epochs : {1, 2, 5, 10, 20}) grid.push_back({.epochs = epochs, .rate = rate});
  return grid;
}

struct Tuned {
  FineTuning choice;
  double auc = 0;  // of the choice, on pseudo-new items
  std::vector<FineTuning> tried;
  std::vector<double> aucs;  // of all that were tried: the learning curve of a method
};

inline Tuned tune(WarmUp& method, const ClickWorld& pseudo_new, const std::vector<FineTuning>& grid) {
  Tuned out;
  for (const FineTuning& tuning : grid) {
    PhaseScores scores = run_phases(method, pseudo_new, tuning);
    const double auc = mean_auc(*pseudo_new.task, scores);
    out.tried.push_back(tuning);
    out.aucs.push_back(auc);
    if (auc > out.auc) out.auc = auc, out.choice = tuning;
  }
  return out;
}

// The sizes that make pseudo-new items: the old ones with at most half as many impressions again as the least of them.
inline thaw::WarmUpSizes pseudo_new_sizes(const Task& task) {
  std::int64_t least = 0;
  for (const std::int32_t item : task.split.old_items) {
    const auto count = static_cast<std::int64_t>(task.split.of_item(item).size());
    least = least == 0 ? count : (std::min)(least, count);
  }
  const auto slice = static_cast<std::int32_t>(task.split.slices[0].size() / task.split.new_items.size());
  return {least + least / 2 + 1, least, least + least / 2, slice};
}

}  // namespace mwuf
