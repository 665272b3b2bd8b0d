// Warms up new items around a click model: one data set, one base model, any number of methods, one table an order.
//
//   thaw_click_train --base deepfm --warm-up mwuf
//   thaw_click_train --base wide_deep --warm-up all --data ml-1m --seeds 3 --curves
//   thaw_click_train --help
//
// Every method is fine-tuned with the budget that did best on pseudo-new items (trainer.hpp), chosen once, at the first
// seed. The counting baseline is in every table.
#include <chrono>
#include <cstring>
#include <map>

#include "mwuf/load_task.hpp"
#include "mwuf/train_options.hpp"

namespace {

using namespace mwuf;

int complain(const char* text) {
  std::fprintf(stderr, "thaw_click_train: %s\n", text);
  return 1;
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One line of a table: every seed's scores.
struct Line {
  std::string title;
  std::vector<PhaseScores> runs;
};

class Trainer {
 public:
  Trainer(const TrainOptions& options, Task& task, Task& pseudo_new)
      : o_(options), task_(task), pseudo_new_(pseudo_new) {}

  int run(const std::vector<const MethodEntry*>& methods) {
    std::printf("%s\n%zu pseudo-new items for tuning; base %s, width %d, start %g, %d epochs\n", task_.text.c_str(),
                pseudo_new_.split.new_items.size(), o_.base.c_str(), o_.width, o_.deviation, o_.epochs);
    lines_.push_back({"counting baseline", {}});
    lines_.back().runs.push_back(run_counts(task_));
    for (const MethodEntry* entry : methods) lines_.push_back({entry->title, {}});
    for (int s = 0; s < o_.seeds; ++s) {
      bases_.clear();
      for (std::size_t m = 0; m < methods.size(); ++m)
        if (const int status = run_one(*methods[m], o_.seed + static_cast<std::uint64_t>(s), lines_[m + 1]);
            status != 0)
          return status;
    }
    if (o_.order != "fixed-test") print(thaw::EvaluationOrder::next_slice);
    if (o_.order != "next-slice") print(thaw::EvaluationOrder::fixed_test);
    return 0;
  }

 private:
  BaseOptions base_options(const MethodEntry& entry) const {
    BaseOptions options;
    options.width = o_.width;
    options.deviation = o_.deviation;
    options.bias_terms = entry.bias_terms;
    return options;
  }
  // Methods that ask for the same base share it: none of them changes it.
  thaw::Result<ClickBase*> base(const MethodEntry& entry, const ClickWorld& world) {
    const double share = o_.dropout >= 0 && entry.item_dropout > 0 ? o_.dropout : entry.item_dropout;
    const std::string key = std::to_string(world.seed) + (world.task == &task_ ? " new " : " pseudo ") +
                            std::to_string(share) + (entry.bias_terms ? " biased" : "") +
                            (entry.own_base != nullptr ? entry.name : "");
    if (const auto found = bases_.find(key); found != bases_.end()) return found->second.get();
    const double start = seconds();
    if (entry.own_base != nullptr) {
      bases_[key] = entry.own_base(world);
      std::fprintf(stderr, "base %s: %.1f s\n", key.c_str(), seconds() - start);
      return bases_[key].get();
    }
    auto made = make_base(o_.base, world, base_options(entry));
    if (!made) return made.fault();
    BaseTraining training;
    training.epochs = o_.epochs;
    training.dropout.share = share;
    const double loss = train_base(*made.value(), world, training);
    std::fprintf(stderr, "base %s: loss %.4f, %.1f s\n", key.c_str(), loss, seconds() - start);
    return (bases_[key] = std::move(made.value())).get();
  }
  int run_one(const MethodEntry& entry, std::uint64_t seed, Line& line) {
    const ClickWorld world{&task_, seed}, pseudo{&pseudo_new_, seed};
    if (tuned_.find(entry.name) == tuned_.end()) {
      const auto known = base(entry, pseudo);
      if (!known) return complain(known.fault().text);
      const auto method = entry.make(*known.value(), pseudo);
      method->learn();
      tuned_[entry.name] = tune(*method, pseudo, entry.grid());
      if (o_.curves) print_curve(entry, tuned_[entry.name]);
    }
    const auto known = base(entry, world);
    if (!known) return complain(known.fault().text);
    const double start = seconds();
    const auto method = entry.make(*known.value(), world);
    method->learn();
    const double learnt = seconds();
    line.runs.push_back(run_phases(*method, world, tuned_[entry.name].choice));
    const Tuned& tuned = tuned_[entry.name];
    std::fprintf(stderr,
                 "%s, seed %d: learnt in %.1f s, phases in %.1f s; %d epochs, rate %g, strength %g, tuned to %.4f\n",
                 entry.name, static_cast<int>(seed), learnt - start, seconds() - learnt, tuned.choice.epochs,
                 tuned.choice.rate, tuned.choice.strength, tuned.auc);
    return 0;
  }
  static void print_curve(const MethodEntry& entry, const Tuned& tuned) {
    for (std::size_t i = 0; i < tuned.tried.size(); ++i)
      std::printf("  %s: epochs %d, rate %g, strength %g: mean AUC %.4f on pseudo-new items\n", entry.name,
                  tuned.tried[i].epochs, tuned.tried[i].rate, tuned.tried[i].strength, tuned.aucs[i]);
  }

  void print(thaw::EvaluationOrder order) {
    std::printf(
        "\n%s                      AUC: cold, warm-a, warm-b, warm-c     log-loss                      F1 at 0.5\n",
        thaw::name_of(order));
    for (Line& line : lines_) {
      double auc[4] = {}, square[4] = {}, loss[4] = {}, f1[4] = {};
      for (PhaseScores& run : line.runs)
        for (int p = 0; p < 4; ++p) {
          const thaw::ClickReport report = report_of(task_, run, thaw::kPhases[static_cast<std::size_t>(p)], order);
          const double share = 1.0 / static_cast<double>(line.runs.size());
          auc[p] += share * report.auc.value;
          square[p] += share * report.auc.value * report.auc.value;
          loss[p] += share * report.log_loss.value;
          f1[p] += share * report.f1_at_half.value;
        }
      std::printf("%-36s", line.title.c_str());
      for (int p = 0; p < 4; ++p) std::printf(" %.4f", auc[p]);
      double spread = 0;
      for (int p = 0; p < 4; ++p) spread = (std::max)(spread, std::sqrt((std::max)(0.0, square[p] - auc[p] * auc[p])));
      std::printf(" (sd <= %.4f) ", spread);
      for (int p = 0; p < 4; ++p) std::printf(" %.4f", loss[p]);
      std::printf("  ");
      for (int p = 0; p < 4; ++p) std::printf(" %.4f", f1[p]);
      std::printf("\n");
    }
    relative(order);
    bootstrap(order);
  }
  // Mean AUC over the runs of a line.
  double mean_auc_of(Line& line, thaw::Phase phase, thaw::EvaluationOrder order) {
    double sum = 0;
    for (PhaseScores& run : line.runs) sum += report_of(task_, run, phase, order).auc.value;
    return sum / static_cast<double>(line.runs.size());
  }
  // By how much each line improves on the base as it is.
  void relative(thaw::EvaluationOrder order) {
    Line* reference = nullptr;
    for (Line& line : lines_)
      if (line.title == find_method("none")->title) reference = &line;
    if (reference == nullptr) return;
    std::printf("RelaImpr over the base with random new ids, percent\n");
    for (Line& line : lines_) {
      std::printf("%-36s", line.title.c_str());
      for (const thaw::Phase phase : thaw::kPhases)
        std::printf(
            " %+6.1f",
            thaw::relative_improvement(mean_auc_of(line, phase, order), mean_auc_of(*reference, phase, order)).value);
      std::printf("\n");
    }
  }
  // The last line against every other, in the first seed.
  void bootstrap(thaw::EvaluationOrder order) {
    if (lines_.size() < 3) return;
    Line& last = lines_.back();
    std::printf("paired bootstrap over items: %s minus another, 95 %% interval\n", last.title.c_str());
    for (std::size_t l = 0; l + 1 < lines_.size(); ++l) {
      std::printf("  - %-30s", lines_[l].title.c_str());
      for (const thaw::Phase phase : thaw::kPhases) {
        const Rows rows = task_.split.measured(phase, order);
        const auto difference =
            thaw::paired_auc_bootstrap(last.runs[0].of(phase, order), lines_[l].runs[0].of(phase, order),
                                       labels_of(task_, rows), items_of(task_, rows), {.resamples = 500});
        std::printf("  %+.4f [%+.4f, %+.4f]", difference.mean, difference.lower, difference.upper);
      }
      std::printf("\n");
    }
  }

  TrainOptions o_;
  Task& task_;
  Task& pseudo_new_;
  std::map<std::string, std::unique_ptr<ClickBase>> bases_;
  std::map<std::string, Tuned> tuned_;
  std::vector<Line> lines_;
};

}  // namespace

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "--help") == 0) {
    std::fputs(mwuf::kTrainHelp, stdout);
    return 0;
  }
  const auto options = mwuf::read_train_options(count, words);
  if (!options) return complain(options.fault().text);
  const auto methods = mwuf::chosen_methods(options.value());
  if (!methods) return complain(methods.fault().text);
  mwuf::TaskOptions task_options;
  task_options.folder = options.value().data_dir;
  auto task = mwuf::load_task(options.value().data, task_options);
  if (!task) return complain(task.fault().text);
  task_options.sizes = mwuf::pseudo_new_sizes(task.value());
  auto pseudo_new = mwuf::load_task(options.value().data, task_options);
  if (!pseudo_new) return complain(pseudo_new.fault().text);
  return Trainer(options.value(), task.value(), pseudo_new.value()).run(methods.value());
}
