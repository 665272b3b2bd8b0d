// Experiment: what the trainer does, from options to tables.
//
// For every target a network is trained on all other sources and measured beside popularity, item-kNN, P3alpha, RP3beta
// and, where the catalogue is small enough, EASE, with a paired bootstrap against the best of the training-free ones.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "zero_shot/learn.hpp"
#include "zero_shot/lists.hpp"
#include "zero_shot/mixing.hpp"
#include "zero_shot/recommender.hpp"
#include "zero_shot/rows_file.hpp"
#include "zero_shot/target.hpp"
#include "zero_shot/train_options.hpp"

namespace zero_shot {

// One line of a table.
struct Line {
  std::string name;
  thaw::MetricTable table;
  bool training_free = true, ours = false;
  double coverage = 0, likeness = 0;  // of its lists of 20

  double recall() const { return table.mean("Recall@20"); }
  double ndcg() const { return table.mean("NDCG@20"); }
};

namespace detail {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Scorer>
thaw::Result<thaw::Done> add_line(const Target& target, const std::string& name, Scorer&& scorer, bool training_free,
                                  std::vector<Line>& lines) {
  ListShape shape(target.items());
  const auto ask = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    thaw::detail::ask(scorer, query, items, out);
    shape.add(query, items, out);
  };
  thaw::Result<thaw::MetricTable> table = target.measure(ask);
  if (!table) return table.fault();
  lines.push_back({name, std::move(table.value()), training_free, false, shape.coverage(), shape.likeness()});
  return thaw::Done{};
}
// The same for a method that has to be fitted first.
template <class Predictor>
thaw::Result<thaw::Done> add_fitted(const Target& target, const char* name, const typename Predictor::Options& options,
                                    std::vector<Line>& lines) {
  const thaw::Result<Predictor> predictor = Predictor::fit(target.graph(), options);
  if (!predictor) return predictor.fault();
  return add_line(target, name, predictor.value(), true, lines);
}

}  // namespace detail

// What needs no training. EASE is fitted to the target, in closed form, up to `ease_items` items.
inline thaw::Result<std::vector<Line>> simple_lines(const Target& target, std::int32_t ease_items) {
  std::vector<Line> lines;
  const thaw::PopularityPredictor popularity(target.graph().by_item);
  thaw::Result<thaw::Done> added = detail::add_line(target, "popularity", popularity, true, lines);
  if (!added) return added.fault();
  if (auto done = detail::add_fitted<thaw::ItemKnnPredictor>(target, "item-kNN", {}, lines); !done) return done.fault();
  if (auto done = detail::add_fitted<thaw::RandomWalkPredictor>(target, "P3alpha", {}, lines); !done)
    return done.fault();
  if (auto done = detail::add_fitted<thaw::RandomWalkPredictor>(target, "RP3beta", {.popularity_penalty = 0.5}, lines);
      !done)
    return done.fault();
  if (target.items() > ease_items) return lines;
  if (auto done = detail::add_fitted<thaw::EasePredictor>(target, "EASE", {}, lines); !done) return done.fault();
  lines.back().training_free = false;
  return lines;
}

template <class System>
class Experiment {
 public:
  explicit Experiment(const TrainOptions& options) : o_(options) {
    if (o_.supervised == 0) o_.supervised = System::kSupervised;
    if (o_.steps == 0) o_.steps = System::kSteps;
  }

  thaw::Result<thaw::Done> run() {
    for (const std::string& name : o_.targets)
      if (thaw::Result<thaw::Done> done = run_target(name); !done) return done;
    if (o_.save.empty()) return thaw::Done{};
    thaw::Result<std::unique_ptr<Network>> network = network_without("", o_.seed);
    if (!network) return network.fault();
    return network.value()->save(o_.save, o_.sources);
  }

 private:
  // The rows of a source, made once.
  thaw::Result<const TrainingRows*> rows_of(const std::string& name) {
    if (const auto found = rows_.find(name); found != rows_.end()) return &found->second;
    const std::string path = o_.rows.empty() ? "" : thaw::join_path(o_.rows, name + "." + System::kName);
    const std::string made_by =
        "seed " + std::to_string(o_.seed) + ", supervised " + std::to_string(o_.supervised) + ", rows 4";
    if (!path.empty() && thaw::file_exists(path)) {
      thaw::Result<TrainingRows> rows = load_rows(path, System::kWidth, made_by);
      if (!rows) return rows.fault();
      return &(rows_[name] = std::move(rows.value()));
    }
    const thaw::Result<thaw::SplitLists> split = load_source(name, o_.folder);
    if (!split) return split.fault();
    const double start = detail::seconds();
    const thaw::IdLists lists = visible_lists(split.value());
    TrainingRows rows;
    std::vector<WorldOptions> worlds = standard_worlds(o_.seed, o_.supervised);
    worlds.resize(System::kWorlds);
    for (const WorldOptions& world : worlds)
      if (thaw::Result<thaw::Done> done = add_world<System>(lists, split.value().items, world, rows); !done)
        return done.fault();
    std::fprintf(stderr, "%s: %zu users teach, %zu rows, %.1f s\n", name.c_str(), rows.users.size(),
                 rows.features.size() / System::kWidth, detail::seconds() - start);
    if (!path.empty())
      if (thaw::Result<thaw::Done> saved = save_rows(path, rows, System::kWidth, made_by); !saved) return saved.fault();
    return &(rows_[name] = std::move(rows));
  }
  // Trained on every source but one, or read from a file.
  thaw::Result<std::unique_ptr<Network>> network_without(const std::string& target, std::uint64_t seed) {
    auto network = std::make_unique<Network>(System::kWidth, seed, System::kHidden);
    if (!o_.load.empty()) {
      if (thaw::Result<thaw::Done> done = network->load(o_.load); !done) return done.fault();
      return network;
    }
    std::vector<const TrainingRows*> sources;
    for (const std::string& name : o_.sources) {
      if (name == target) continue;
      const thaw::Result<const TrainingRows*> rows = rows_of(name);
      if (!rows) return rows.fault();
      sources.push_back(rows.value());
    }
    if (sources.empty())
      return thaw::make_fault(thaw::FaultKind::mismatch, "no source is left to train on for target ", target.c_str(),
                              "; name another one with --sources");
    const double start = detail::seconds();
    const double loss = learn(*network, sources, {.steps = o_.steps, .seed = seed});
    std::fprintf(stderr, "trained on %zu sources, loss %.4f, %.1f s\n", sources.size(), loss,
                 detail::seconds() - start);
    return network;
  }

  thaw::Result<thaw::Done> run_target(const std::string& name) {
    const thaw::Result<thaw::SplitLists> split = load_source(name, o_.folder);
    if (!split) return split.fault();
    std::vector<std::unique_ptr<Network>> networks;
    for (int s = 0; s < o_.seeds; ++s) {
      thaw::Result<std::unique_ptr<Network>> network = network_without(name, o_.seed + static_cast<std::uint64_t>(s));
      if (!network) return network.fault();
      networks.push_back(std::move(network.value()));
    }
    const std::vector<std::string> others = thaw::split_names(o_.other);
    if (!others.empty())
      return print_interpolations<System>(split.value(), others, *networks.front(),
                                          {.users = o_.users, .seed = o_.seed}, o_.epochs);
    TargetOptions options{.users = o_.users, .validation = o_.validation, .seed = o_.seed};
    thaw::SplitLists lists = split.value();
    if (o_.validation) ensure_validation(lists);
    if (!o_.cold && !o_.cold_items) return measure(lists, options, networks);
    for (const int shown : {0, 1, 2, 3, 5}) {
      (o_.cold ? options.shown : options.item_shown) = shown;
      for (const bool among_new : {false, true}) {
        options.among_new = among_new;
        if (among_new && o_.cold) continue;
        if (thaw::Result<thaw::Done> done = measure(lists, options, networks); !done) return done;
      }
    }
    return thaw::Done{};
  }
  thaw::Result<thaw::Done> measure(const thaw::SplitLists& split, const TargetOptions& options,
                                   const std::vector<std::unique_ptr<Network>>& networks) {
    const Target target(split, options);
    thaw::Result<std::vector<Line>> lines = simple_lines(target, o_.ease_items);
    if (!lines) return lines.fault();
    if (thaw::Result<thaw::Done> done = add_others(split, options, target, lines.value()); !done) return done;
    typename System::Options plain;
    if (!options.among_new)
      if (auto done = add_ours(target, System::kName, plain, networks, lines.value()); !done) return done;
    // Where items are new the shop knows which: a second line for the network that is told.
    if constexpr (requires { plain.is_new; })
      if (options.item_shown >= 0) {
        plain.is_new = target.new_items();
        if (auto done = add_ours(target, "best, told", plain, networks, lines.value()); !done) return done;
      }
    print(split, target, options, lines.value());
    std::fflush(stdout);
    return thaw::Done{};
  }
  thaw::Result<thaw::Done> add_ours(const Target& target, const char* name, const typename System::Options& options,
                                    const std::vector<std::unique_ptr<Network>>& networks, std::vector<Line>& lines) {
    const double start = detail::seconds();
    const auto statistics = System::Statistics::fit(target.graph(), options);
    if (!statistics) return statistics.fault();
    const double fitted = detail::seconds();
    for (const auto& network : networks) {
      typename System::Scorer scorer(statistics.value(), *network);
      const auto ask = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
        scorer(query.user, query.known, items, out);
      };
      if (auto done = detail::add_line(target, name, ask, false, lines); !done) return done;
      lines.back().ours = true;
    }
    std::fprintf(stderr, "%s: statistics %.1f s, %.1f ms a user\n", name, fitted - start,
                 1e3 * (detail::seconds() - fitted) / static_cast<double>(target.users() * networks.size()));
    return thaw::Done{};
  }
  // Models that are trained on the target, tuned on validation items.
  thaw::Result<thaw::Done> add_others(const thaw::SplitLists& split, const TargetOptions& options, const Target& target,
                                      std::vector<Line>& lines) {
    if (o_.beside.empty()) return thaw::Done{};
    thaw::SplitLists with_validation = split;
    ensure_validation(with_validation);
    TargetOptions validation = options;
    validation.validation = true;
    const Target valid(with_validation, validation);
    for (const std::string& name : thaw::split_names(o_.beside)) {
      const double start = detail::seconds();
      const thaw::Result<Fits> fits = fit_other(name, valid, target, o_.epochs);
      if (!fits) return fits.fault();
      std::fprintf(stderr, "%s: %s, %.0f s\n", name.c_str(), fits.value().settings.c_str(), detail::seconds() - start);
      if (auto done = detail::add_line(target, name, fits.value().test, false, lines); !done) return done;
    }
    return thaw::Done{};
  }
  static void print(const thaw::SplitLists& split, const Target& target, const TargetOptions& options,
                    const std::vector<Line>& lines) {
    std::printf("\n%s: %d users, %d items, %zu visible interactions, %s; %zu users asked", split.name.c_str(),
                split.users(), split.items, target.graph().by_user.edges.size(), split.split.c_str(), target.users());
    if (options.shown >= 0) std::printf(", each with %d items", options.shown);
    if (options.item_shown >= 0)
      std::printf(" for new items with %d interactions, among %s", options.item_shown,
                  options.among_new ? "new items" : "all items");
    std::printf("\n  %-12s %-10s %-8s %-9s %-8s\n", "", "Recall@20", "NDCG@20", "coverage", "likeness");
    const Line* bar = nullptr;
    for (const Line& line : lines)
      if (line.training_free && (bar == nullptr || line.recall() > bar->recall())) bar = &line;
    for (const Line& line : lines) {
      std::printf("  %-12s %.4f     %.4f   %.3f     %.3f", line.name.c_str(), line.recall(), line.ndcg(), line.coverage,
                  line.likeness);
      if (line.ours) {
        const auto difference = thaw::compare(line.table, bar->table, "Recall@20", {.resamples = 2000});
        if (difference)
          std::printf("   Recall@20 against %s: %+.4f [%+.4f, %+.4f]", bar->name.c_str(), difference.value().mean,
                      difference.value().lower, difference.value().upper);
      }
      std::printf("\n");
    }
  }

  TrainOptions o_;
  std::map<std::string, TrainingRows> rows_;
};

}  // namespace zero_shot
