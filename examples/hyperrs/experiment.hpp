// Experiment: trains a learner on a task, stops on validation users, scores it on every scenario.
//
//   hyperrs::Training training(task, world, {.supports = {5, 10, 15}});
//   thaw::Result<hyperrs::Trained> run = training.run(*hyperrs::find_learner("melu"), scenarios, options);
//   auto rows = hyperrs::score_learner(*run.value().learner, entry, scenarios);     // one a scenario and inner steps
//
// One model serves all supports: a training episode is a row of a user's records in a row, cut after 5, 10 or 15 of
// them in turn. Validation never changes what is learnt, so the best moment is found by a first run and reached again
// by a second one where the last moment falls short of it. Prints nothing; `watch` is told what happens.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/held_out.hpp"
#include "hyperrs/learner_entry.hpp"

namespace hyperrs {

struct TrainingOptions {
  std::vector<int> supports{5, 10, 15};
  int query = 10;
  double negatives = 1;     // for each record
  std::uint64_t seed = 1;   // of the learner's weights and of the order of users
  int outer_steps = 0;      // 0: the learner's own
  double most_seconds = 0;  // of one run; 0: no limit. A run that this cuts depends on the machine
  int checks = 15;          // validations of a full run
  int patience = 4;         // validations without a better one that end it
  double shortfall = 0.01;  // a last moment that is this share below the best one is not kept
  Variant variant = Variant::best;
  bool first_order = false;
  int threads = 1;
  bool on_cuda = false;
};

struct Trained {
  std::unique_ptr<Learner> learner;
  std::vector<double> losses;  // one an outer step of the first run
  std::vector<std::pair<int, double>> validation;
  int steps = 0;         // outer steps of the learner that is returned
  double seconds = 0;    // of training, validation left out
  bool was_cut = false;  // by most_seconds
};

// What a run tells while it goes on; false stops it.
struct Watch {
  std::function<void(int of)> begin;
  std::function<bool(int step, int of, double loss)> step;
  std::function<void(int step, double value)> validated;
};

// Episodes of one meta-batch after another, the same for the same seed whatever happens between them. from_start: share
// of them that begin where a user's history begins.
class EpisodeStream {
 public:
  EpisodeStream(const Task& task, const TrainingOptions& options, int batch, double from_start = 0)
      : options_(options) {
    for (const int support : options.supports)
      samplers_.push_back(task.sampler({.support = support,
                                        .query = options.query,
                                        .negatives = options.negatives,
                                        .contiguous = true,
                                        .from_start = from_start,
                                        .seed = options.seed}));
    thaw::require(!samplers_.empty() && batch > 0, "EpisodeStream: needs a support and a batch");
    users_.assign(samplers_[0].training_users().begin(), samplers_[0].training_users().end());
    batch_.resize((std::min)(static_cast<std::size_t>(batch), users_.size()));
  }
  bool empty() const { return users_.empty(); }
  // Refers to this stream until the next call.
  std::span<const thaw::Episode> next() {
    for (thaw::Episode& episode : batch_) {
      if (at_ == users_.size() || epoch_ == 0) {
        thaw::Philox rng(thaw::Key{options_.seed}.fold(0x7573657273).fold(++epoch_));
        rng.shuffle(users_);
        at_ = 0;
      }
      samplers_[(at_ + epoch_) % samplers_.size()].draw(epoch_, users_[at_], episode);
      ++at_;
    }
    return batch_;
  }

 private:
  const TrainingOptions& options_;
  std::vector<thaw::EpisodeSampler> samplers_;
  std::vector<std::int32_t> users_;
  std::vector<thaw::Episode> batch_;
  std::size_t at_ = 0;
  std::uint64_t epoch_ = 0;
};

class Training {
 public:
  Training(const Task& task, const World& world, TrainingOptions options)
      : task_(task), world_(world), options_(std::move(options)) {}

  // `validation`: users to stop by. A fault when nobody can be learnt from; stopped by the watch, `learner` is null.
  thaw::Result<Trained> run(const LearnerEntry& entry, const HeldOutUsers& validation, const Watch& watch) const {
    if (world_.objective == Objective::rating && !entry.predicts_ratings)
      return thaw::make_fault(thaw::FaultKind::mismatch, std::string(entry.title).c_str(),
                              " predicts no ratings; leave it out, or let the objective be ranking");
    EpisodeStream stream = episodes(entry);
    if (stream.empty())
      return thaw::make_fault(thaw::FaultKind::mismatch, task_.name.c_str(),
                              ": no training user has two records; nobody can be learnt from");
    Trained trained;
    trained.learner = make(entry);
    const int total = options_.outer_steps > 0 ? options_.outer_steps : entry.outer_steps(options_.variant);
    const int every = (std::max)(1, total / (std::max)(1, options_.checks));
    watch.begin(total);
    int best_step = 0, since_best = 0;
    double best = 0, last = 0;
    while (trained.steps < total && since_best < options_.patience && !trained.was_cut) {
      const double loss = step(trained, stream);
      trained.losses.push_back(loss);
      trained.was_cut = options_.most_seconds > 0 && trained.seconds > options_.most_seconds;
      if (!watch.step(trained.steps, total, loss)) return stopped();
      if (trained.steps % every != 0 && trained.steps != total && !trained.was_cut) continue;
      auto table = validation.score(*trained.learner, entry.test_steps[0]);
      if (!table) return table.fault();
      last = table.value().mean(deciding_metric(world_.objective));
      trained.validation.push_back({trained.steps, last});
      watch.validated(trained.steps, last);
      const bool is_better = best_step == 0 || as_gain(world_.objective, last) > as_gain(world_.objective, best);
      since_best = is_better ? 0 : since_best + 1;
      if (is_better) best = last, best_step = trained.steps;
    }
    if (std::abs(best - last) <= options_.shortfall * std::abs(best)) return trained;
    return again(entry, std::move(trained), best_step, watch);
  }

 private:
  static Trained stopped() { return {}; }
  EpisodeStream episodes(const LearnerEntry& entry) const {
    return {task_, options_, entry.batch, options_.variant == Variant::best ? entry.from_start : 0};
  }
  std::unique_ptr<Learner> make(const LearnerEntry& entry) const {
    return entry.make(world_, {.variant = options_.variant,
                               .first_order = options_.first_order,
                               .inner_steps = entry.steps,
                               .threads = options_.threads,
                               .seed = options_.seed,
                               .on_cuda = options_.on_cuda});
  }
  static double step(Trained& trained, EpisodeStream& stream) {
    const std::span<const thaw::Episode> batch = stream.next();
    const auto start = std::chrono::steady_clock::now();
    const double loss = trained.learner->train(batch);
    trained.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++trained.steps;
    return loss;
  }
  // The same run up to its best moment.
  Trained again(const LearnerEntry& entry, Trained first, int steps, const Watch& watch) const {
    Trained trained;
    trained.learner = make(entry);
    EpisodeStream stream = episodes(entry);
    watch.begin(steps);
    while (trained.steps < steps) {
      const double loss = step(trained, stream);
      if (!watch.step(trained.steps, steps, loss)) return stopped();
    }
    trained.losses = std::move(first.losses);
    trained.validation = std::move(first.validation);
    trained.was_cut = first.was_cut;
    trained.seconds = first.seconds;
    return trained;
  }

  const Task& task_;
  const World& world_;
  TrainingOptions options_;
};

// One row of results: a method, or a learner with its inner steps, on one scenario.
struct ScoredRow {
  std::string name;
  std::size_t scenario = 0;
  thaw::MetricTable table;
};

// Every scenario with every number of inner steps that the learner reports, and with nothing shown of the user.
inline thaw::Result<std::vector<ScoredRow>> score_learner(const Learner& learner, const LearnerEntry& entry,
                                                          std::span<const Scenario> scenarios) {
  std::vector<ScoredRow> rows;
  for (const int steps : entry.test_steps)
    for (std::size_t s = 0; s < scenarios.size(); ++s) {
      auto table = scenarios[s].test.score(learner, steps);
      if (!table) return table.fault();
      rows.push_back({entry.row_name(steps), s, std::move(table.value())});
    }
  for (std::size_t s = 0; s < scenarios.size(); ++s) {
    auto table = scenarios[s].test.score(learner, entry.test_steps[0], /*shown*/ false);
    if (!table) return table.fault();
    rows.push_back({std::string(entry.title) + ", nothing shown", s, std::move(table.value())});
  }
  return rows;
}

// What a finished training leaves behind. Simple methods leave rows alone.
struct RunRecord {
  std::vector<ScoredRow> rows;
  std::vector<double> losses;
  std::vector<std::string> notes;  // what was left out and why
  std::int64_t parameters = 0;
  int steps = 0;
  double seconds = 0;
  bool was_cut = false;
};

}  // namespace hyperrs
