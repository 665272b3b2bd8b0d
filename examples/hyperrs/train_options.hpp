// Command line of the trainer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "command_line/parse.hpp"
#include "hyperrs/learners.hpp"

namespace hyperrs {

struct TrainerOptions {
  std::string model = "all", data = "generated", folder, out = "out", variant = "best", objective = "ranking";
  std::string device = "cpu";  // what takes the outer steps
  std::vector<int> supports{5, 10, 15};
  std::uint64_t seed = 1, data_seed = 1;
  int seeds = 1, threads = 0, outer_steps = 0;
  double most_minutes = 0;
  std::size_t most_users = 0;
  bool quick = false, random_order = false, first_order = false, no_report = false;
  std::string command;  // as typed

  std::vector<const LearnerEntry*> learners;  // of `model`
  Variant chosen_variant() const { return variant == "paper" ? Variant::paper : Variant::best; }
  Objective chosen_objective() const { return objective == "rating" ? Objective::rating : Objective::ranking; }
};

namespace detail {

inline void declare(CLI::App& app, TrainerOptions& o) {
  app.add_option("--model", o.model, "learners, with commas, or all: " + learner_names())->capture_default_str();
  app.add_option("--data", o.data, "generated, ml-1m, ml-100k, book-crossing, lastfm, or a ratings file")
      ->capture_default_str();
  app.add_option("--folder", o.folder, "folder of the data set or the one above (default: THAW_DATA, then ./data)");
  app.add_option("--variant", o.variant, "best: what we would ship; paper: the published sizes and rates")
      ->check(CLI::IsMember({"best", "paper"}))
      ->capture_default_str();
  app.add_option("--objective", o.objective, "ranking: the whole catalogue; rating: errors in stars")
      ->check(CLI::IsMember({"ranking", "rating"}))
      ->capture_default_str();
  app.add_option("--support", o.supports, "records of a new user that are shown")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seeds", o.seeds, "trainings of each learner, from --seed on; tables show mean ± spread")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "seed of weights and of the order of users")->capture_default_str();
  app.add_option("--data-seed", o.data_seed, "seed of the split, and of generated data")->capture_default_str();
  app.add_flag("--random-order", o.random_order, "histories in random order even where the data have times");
  app.add_flag("--first-order", o.first_order, "leave out the second-order part of the outer gradient");
  app.add_option("--outer-steps", o.outer_steps, "outer steps of a training (default: the learner's own)")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-minutes", o.most_minutes, "cut a training here; its result then depends on the machine")
      ->check(CLI::PositiveNumber);
  app.add_option("--users", o.most_users, "test at most so many new users in each scenario (default: all)");
  app.add_option("--threads", o.threads, "threads to compute with (default: all cores, at most 8)")
      ->check(CLI::Range(1, 256));
  app.add_option("--device", o.device,
                 "what takes the outer steps; cuda: HyperRS as published, in a build with it (docs/cuda.md)")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--out", o.out, "folder for results of finished trainings, tables.md and report.html")
      ->capture_default_str();
  app.add_flag("--no-report", o.no_report, "train and keep the results; no page and no interest map");
  app.add_flag("--quick", o.quick,
               "40 outer steps and 100 test users: does all work? Always so on generated data, unless told otherwise");
  app.footer(
      "Results of finished trainings are kept in --out and not made twice: after Ctrl-C, or with a further --model,\n"
      "the same command goes on. Nothing to download: try it as it is.");
}

}  // namespace detail

// Reads the command line. Returns true when the program should go on; else `status` is its exit status.
inline bool read_options(int argc, char** argv, TrainerOptions& o, int& status) {
  CLI::App app{"Trains meta-learners for new users and compares them with what is simpler, in one table."};
  detail::declare(app, o);
  const auto choose_learners = [&] {
    for (const std::string& name : thaw::split_names(o.model)) {
      for (const LearnerEntry& entry : learners())
        if (name == "all" || name == entry.name) o.learners.push_back(&entry);
      if (name != "all" && find_learner(name) == nullptr)
        throw CLI::ValidationError("--model", "no learner is called '" + name + "'; there are " + learner_names());
    }
    if (o.device == "cuda" && (o.variant != "paper" || o.model != "hyperrs"))
      throw CLI::ValidationError("--device", "only --model hyperrs --variant paper trains on a device");
  };
  if (!command_line::parse(app, argc, argv, status, choose_learners)) return false;
  std::sort(o.supports.begin(), o.supports.end());
  o.supports.erase(std::unique(o.supports.begin(), o.supports.end()), o.supports.end());
  if (o.threads == 0) o.threads = (std::clamp)(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
  const bool is_quick = o.quick || o.data == "generated";
  if (is_quick && o.outer_steps == 0) o.outer_steps = 40;
  if (is_quick && o.most_users == 0) o.most_users = 100;
  o.command = "thaw_meta_train";
  for (int i = 1; i < argc; ++i) o.command += std::string(" ") + argv[i];
  return true;
}

}  // namespace hyperrs
