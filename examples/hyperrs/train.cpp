// The trainer of all meta-learners of this folder: one data set, one table.
//
//   thaw_meta_train                                              every learner on made-up data
//   thaw_meta_train --model hyperrs,melu --data ml-1m --seeds 3
//   thaw_meta_train --help
#include <cstdio>
#include <filesystem>
#include <optional>

#include "hyperrs/comparison.hpp"
#include "hyperrs/report_page.hpp"
#include "hyperrs/run_file.hpp"
#include "hyperrs/simple_methods.hpp"
#include "hyperrs/train_options.hpp"
#include "thaw/train/interrupt.hpp"
#include "thaw/train/progress.hpp"

namespace {

using namespace hyperrs;

int complain(const std::string& text) {
  std::fprintf(stderr, "thaw_meta_train: %s\n", text.c_str());
  return 1;
}

class Trainer {
 public:
  Trainer(const TrainerOptions& options, Task& task)
      : o_(options), task_(task), world_(task.world()), comparison_({}, task.objective) {}

  int run() {
    auto made = make_scenarios(task_, o_.supports, 400, o_.most_users);
    if (!made) return complain(made.fault().text);
    scenarios_ = std::move(made.value());
    comparison_ = Comparison(scenarios_, task_.objective);
    print_task();
    if (const int status = simple_methods(); status != 0) return status;
    for (const LearnerEntry* entry : o_.learners) {
      if (task_.objective == Objective::rating && !entry->predicts_ratings) {
        std::printf("%s predicts no ratings and is left out\n", std::string(entry->title).c_str());
        continue;
      }
      for (int s = 0; s < o_.seeds; ++s)
        if (const int status = train_one(*entry, o_.seed + static_cast<std::uint64_t>(s)); status != 0) return status;
    }
    return finish();
  }

 private:
  std::string path(const std::string& name) const { return thaw::join_path(o_.out, name); }
  // Whatever decides the numbers of a run, of simple methods where there is no learner.
  std::string identity(const LearnerEntry* entry, std::uint64_t seed) const {
    std::string text = "2 " + task_.name + (o_.random_order ? " random order" : "") + " split " +
                       std::to_string(o_.data_seed) + " objective " + o_.objective + " users " +
                       std::to_string(o_.most_users) + " supports";
    for (const int support : o_.supports) text += " " + std::to_string(support);
    if (entry == nullptr) return text + " simple methods";
    const int steps = o_.outer_steps > 0 ? o_.outer_steps : entry->outer_steps(o_.chosen_variant());
    text += " " + std::string(entry->name) + " " + o_.variant + " seed " + std::to_string(seed) + " steps " +
            std::to_string(steps) + " batch " + std::to_string(entry->batch);
    if (o_.most_minutes > 0) text += " minutes " + thaw::significant_text(o_.most_minutes, 6);
    return text + (o_.first_order ? " first order" : "") + (o_.device == "cuda" ? " on cuda" : "");
  }
  std::string run_path(const std::string& name) const {
    const std::string set = std::filesystem::path(task_.name).stem().string();
    return path(set + "-" + o_.objective + "-" + name + ".run");
  }
  const HeldOutUsers& validation() const {
    std::size_t warm = 0;
    while (warm < scenarios_.size() && scenarios_[warm].items == thaw::ItemSet::known) ++warm;
    return scenarios_[warm / 2].validation;
  }

  void print_task() const {
    std::printf("%s: %d users, %d items, %zu training records; %zu items known, %zu held out\n", task_.name.c_str(),
                task_.data.users.size(), task_.data.items.size(), task_.split.train.size(),
                task_.split.known_items.size(), task_.split.cold_items.size());
    std::printf("%s\n", task_.text.c_str());
    for (const Scenario& s : scenarios_)
      std::printf("  %s: %zu new users\n", s.name().c_str(), s.test.episodes().size());
    std::printf("\n");
    std::fflush(stdout);
  }

  int simple_methods() {
    const std::string file = run_path("simple"), name = identity(nullptr, 0);
    std::optional<RunRecord> run = read_run(file, name, scenarios_);
    if (!run) {
      std::fprintf(stderr, "simple methods ...\n");
      auto scores = score_simple_methods(world_, scenarios_, o_.threads);
      if (!scores) return complain(scores.fault().text);
      run.emplace();
      for (SimpleScore& s : scores.value().methods) run->rows.push_back({s.name, s.scenario, std::move(s.table)});
      run->notes = scores.value().left_out;
      if (const auto kept = write_run(file, name, *run); !kept) return complain(kept.fault().text);
    }
    for (const std::string& note : run->notes) std::printf("Left out: %s\n", note.c_str());
    std::fflush(stdout);
    comparison_.add_simple(run->rows);
    return 0;
  }

  int train_one(const LearnerEntry& entry, std::uint64_t seed) {
    const std::string file = run_path(std::string(entry.name) + "-" + o_.variant + "-" + std::to_string(seed));
    std::optional<RunRecord> run = read_run(file, identity(&entry, seed), scenarios_);
    const char* title = entry.title.data();
    if (!run) {
      run.emplace();
      if (const int status = learn(entry, seed, *run); status != 0) return status;
      if (const auto kept = write_run(file, identity(&entry, seed), *run); !kept) return complain(kept.fault().text);
    } else {
      std::fprintf(stderr, "%s, seed %llu: found in %s\n", title, static_cast<unsigned long long>(seed), file.c_str());
    }
    std::printf("%s, seed %llu: %lld parameters, %d outer steps, trained in %s%s\n", title,
                static_cast<unsigned long long>(seed), static_cast<long long>(run->parameters), run->steps,
                thaw::duration_text(run->seconds).c_str(), run->was_cut ? " (cut by --max-minutes)" : "");
    std::fflush(stdout);
    comparison_.add_learner(entry, run->rows);
    if (&entry == o_.learners.front()) {
      facts_.parameters = run->parameters;
      facts_.training_seconds += run->seconds;
      facts_.losses.push_back(std::move(run->losses));
      facts_.seeds.push_back(seed);
    }
    return 0;
  }

  TrainingOptions training_options(std::uint64_t seed) const {
    TrainingOptions t;
    t.supports = o_.supports;
    t.seed = seed;
    t.outer_steps = o_.outer_steps;
    t.most_seconds = 60 * o_.most_minutes;
    t.variant = o_.chosen_variant();
    t.first_order = o_.first_order;
    t.threads = o_.threads;
    t.on_cuda = o_.device == "cuda";
    return t;
  }

  int learn(const LearnerEntry& entry, std::uint64_t seed, RunRecord& run) {
    std::fprintf(stderr, "%s, seed %llu\n", entry.title.data(), static_cast<unsigned long long>(seed));
    thaw::InterruptGuard guard;
    std::optional<thaw::Progress> progress;
    Watch watch;
    watch.begin = [&](int of) { progress.emplace(thaw::ProgressOptions{.total_steps = of}); };
    watch.step = [&](int step, int, double loss) {
      progress->step(step, loss);
      return !guard.interrupted();
    };
    watch.validated = [&](int step, double value) {
      progress->note("  step " + std::to_string(step) + ": " + deciding_metric(task_.objective) +
                     " of validation users " + thaw::fixed_text(value, 4));
    };
    auto trained = Training(task_, world_, training_options(seed)).run(entry, validation(), watch);
    progress.reset();
    if (!trained) return complain(trained.fault().text);
    if (!trained.value().learner) {
      std::printf("Stopped; finished trainings are kept in %s, the same command goes on\n", o_.out.c_str());
      return 128 + guard.signal_number();
    }
    auto rows = score_learner(*trained.value().learner, entry, scenarios_);
    if (!rows) return complain(rows.fault().text);
    run.rows = std::move(rows.value());
    run.losses = trained.value().losses;
    run.parameters = trained.value().learner->parameter_count();
    run.steps = trained.value().steps;
    run.seconds = trained.value().seconds;
    run.was_cut = trained.value().was_cut;
    if (&entry == o_.learners.front()) shown_ = std::move(trained.value().learner);
    return 0;
  }

  int finish() {
    std::printf("\n%s", comparison_.text().c_str());
    std::fflush(stdout);
    const std::string tables = comparison_.markdown();
    auto file = thaw::AtomicFile::create(path("tables.md"));
    if (!file) return complain(file.fault().text);
    file.value().write(tables.data(), tables.size());
    if (const auto kept = file.value().commit(); !kept) return complain(kept.fault().text);
    return o_.no_report ? 0 : write_page();
  }

  int write_page() {
    facts_.learner = o_.learners.front()->title;
    facts_.variant = o_.variant;
    facts_.command = o_.command;
    facts_.threads = o_.threads;
    facts_.protocol =
        "Leak-free: 30 % of the items and 40 % of the users are unknown to training; a new user shows her first "
        "records, what follows is asked. " +
        std::string(task_.objective == Objective::ranking
                        ? "Every item of the set is ranked, less those shown; ties count against the recommender. "
                        : "Errors are means over users. ") +
        "Intervals: paired bootstrap over users.";
    std::optional<InterestMap> map;
    if (shown_ && task_.objective == Objective::ranking && !task_.data.items.attributes.empty()) {
      auto found = interest_map(*shown_, task_.data.items, validation().episodes(), validation().candidates(),
                                {.steps = o_.learners.front()->test_steps[0]});
      if (!found) return complain(found.fault().text);
      map.emplace(std::move(found.value()));
    }
    const auto written =
        write_interest_report(path("report.html"), task_, facts_, comparison_.scores(), map ? &*map : nullptr);
    if (!written) return complain(written.fault().text);
    std::printf("Report written to %s\n", path("report.html").c_str());
    return 0;
  }

  const TrainerOptions& o_;
  Task& task_;
  World world_;
  std::vector<Scenario> scenarios_;
  Comparison comparison_;
  PageFacts facts_;
  std::unique_ptr<Learner> shown_;  // of the first learner, if it was trained now
};

}  // namespace

int main(int argc, char** argv) {
  TrainerOptions options;
  int status = 0;
  if (!read_options(argc, argv, options, status)) return status;
  if (options.device == "cuda")
    if (const auto found = find_cuda(); !found) return complain(found.fault().text);
  TaskOptions wanted;
  wanted.folder = options.folder;
  wanted.random_order = options.random_order;
  wanted.objective = options.chosen_objective();
  wanted.seed = options.data_seed;
  thaw::Result<Task> task = load_task(options.data, wanted);
  if (!task) return complain(task.fault().text);
  std::error_code problem;
  std::filesystem::create_directories(options.out, problem);
  if (problem)
    return complain("cannot create the folder " + options.out + ": " + problem.message() + "; give another --out");
  return Trainer(options, task.value()).run();
}
