// Comparison: base models times methods times seeds, each trained once, tuned once, and kept on disk where asked for.
//
//   mwuf::Comparison comparison(options, task, pseudo_new);
//   thaw::Result<std::vector<mwuf::Line>> lines = comparison.run(bases, methods);
//   std::fputs(mwuf::tables_text(task, lines.value(), {}).c_str(), stdout);
//
// Fine-tuning is tuned on pseudo-new items at the first seed and kept for the others. With options.out, a run that is
// found there is not run again; say which folder, and a comparison may end at any moment and go on later.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>

#include "mwuf/score_file.hpp"
#include "mwuf/tables.hpp"
#include "mwuf/train_options.hpp"

namespace mwuf {

class Comparison {
 public:
  Comparison(const TrainOptions& options, const Task& task, const Task& pseudo_new)
      : o_(options), task_(task), pseudo_new_(pseudo_new) {}

  // The counting baseline, then base by base; methods with a base of their own come last, once.
  // Errors: no base of that name; a folder that cannot be written.
  thaw::Result<std::vector<Line>> run(const std::vector<std::string>& bases,
                                      const std::vector<const MethodEntry*>& methods) {
    std::vector<Line> lines;
    lines.push_back({"counting baseline"});
    lines.back().runs.push_back(run_counts(task_));
    std::vector<Wanted> wanted;
    for (const std::string& base : bases)
      for (const MethodEntry* entry : methods)
        if (entry->own_base == nullptr) wanted.push_back({base, entry});
    for (const MethodEntry* entry : methods)
      if (entry->own_base != nullptr) wanted.push_back({"own", entry});
    for (const Wanted& w : wanted) lines.push_back({title(w, bases.size() > 1)});
    for (int s = 0; s < o_.seeds; ++s)
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        // A base that is not asked for again makes room.
        if (i == 0 || wanted[i].base != wanted[i - 1].base) bases_.clear();
        const auto done = run_one(wanted[i], o_.seed + static_cast<std::uint64_t>(s), lines[i + 1]);
        if (!done) return done.fault();
      }
    bases_.clear();
    return lines;
  }

 private:
  struct Wanted {
    std::string base;  // "own": the method's own
    const MethodEntry* entry;
  };

  template <class... Values>
  void say(const char* format, Values... values) const {
    if (o_.progress) std::fprintf(stderr, format, values...);
  }
  static double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  static std::string title(const Wanted& w, bool several) {
    return several && w.base != "own" ? w.base + ": " + w.entry->title : std::string(w.entry->title);
  }
  double dropped(const MethodEntry& entry) const {
    return o_.dropout >= 0 && entry.item_dropout > 0 ? o_.dropout : entry.item_dropout;
  }

  // What decides the numbers of a run, less its seed.
  std::string settings(const Wanted& w) const {
    if (w.base == "own") return "own";
    return w.base + " width " + std::to_string(o_.width) + " start " + thaw::encode_real(o_.deviation) + " epochs " +
           std::to_string(o_.epochs);
  }
  std::string identity(const Wanted& w) const {
    std::string text = task_.text + "; " + settings(w) + "; " + w.entry->name;
    if (dropped(*w.entry) > 0) text += " drops " + thaw::encode_real(dropped(*w.entry));
    return text;
  }
  std::string path(const Wanted& w, const std::string& end) const {
    std::string name = o_.data + " " + settings(w) + " " + w.entry->name;
    if (o_.dropout >= 0) name += " drops " + thaw::encode_real(dropped(*w.entry));
    for (char& c : name)
      if (c == ' ') c = '_';
    return o_.out + "/" + name + "_" + end;
  }

  // Methods that ask for the same base share it: none of them changes it.
  thaw::Result<ClickBase*> base(const Wanted& w, const ClickWorld& world, int which) {
    const MethodEntry& entry = *w.entry;
    const std::string key =
        w.base + ", seed " + std::to_string(world.seed) + (world.task == &task_ ? "" : ", without pseudo-new items") +
        (dropped(entry) > 0 ? ", drops " + thaw::encode_real(dropped(entry)) : "") +
        (entry.bias_terms ? ", bias terms" : "") +
        (entry.own_base != nullptr ? std::string(", ") + entry.name + " " + std::to_string(which) : "");
    if (const auto found = bases_.find(key); found != bases_.end()) return found->second.get();
    const double start = seconds();
    if (entry.own_base != nullptr) {
      bases_[key] = entry.own_base(world, which);
      say("base %s: %.1f s\n", key.c_str(), seconds() - start);
      return bases_[key].get();
    }
    BaseOptions options;
    options.width = o_.width;
    options.deviation = o_.deviation;
    options.bias_terms = entry.bias_terms;
    auto made = make_base(w.base, world, options);
    if (!made) return made.fault();
    BaseTraining training;
    training.epochs = o_.epochs;
    training.dropout.share = dropped(entry);
    const double loss = train_base(*made.value(), world, training);
    say("base %s: loss %.4f, %.1f s\n", key.c_str(), loss, seconds() - start);
    return (bases_[key] = std::move(made.value())).get();
  }

  thaw::Result<Tuned> tuned(const Wanted& w, std::uint64_t seed) {
    const std::string file = path(w, "tuning.txt");
    if (const auto found = tuned_.find(file); found != tuned_.end()) return found->second;
    if (!o_.out.empty())
      if (const auto kept = read_tuned(file, identity(w))) return tuned_[file] = *kept;
    const ClickWorld pseudo{&pseudo_new_, seed};
    const double start = seconds();
    Tuned all;
    for (int which = 0; which < w.entry->own_bases; ++which) {
      const auto known = base(w, pseudo, which);
      if (!known) return known.fault();
      const auto method = w.entry->make(*known.value(), pseudo);
      method->learn();
      std::vector<FineTuning> grid = w.entry->grid();
      for (FineTuning& tuning : grid) tuning.base = which;
      const Tuned one = tune(*method, pseudo, grid);
      if (one.auc > all.auc) all.auc = one.auc, all.choice = one.choice;
      all.tried.insert(all.tried.end(), one.tried.begin(), one.tried.end());
      all.aucs.insert(all.aucs.end(), one.aucs.begin(), one.aucs.end());
    }
    tuned_[file] = all;
    say("%s tuned in %.1f s\n", w.entry->name, seconds() - start);
    if (!o_.out.empty())
      if (const auto written = write_tuned(file, identity(w), tuned_[file]); !written) return written.fault();
    return tuned_[file];
  }

  thaw::Result<thaw::Done> run_one(const Wanted& w, std::uint64_t seed, Line& line) {
    const std::string file = path(w, std::to_string(seed) + ".scores");
    const std::string name = identity(w) + ", seed " + std::to_string(seed);
    const thaw::Result<Tuned> chosen = tuned(w, seed);
    if (!chosen) return chosen.fault();
    if (line.tuned.empty()) line.tuned.push_back(chosen.value());
    if (!o_.out.empty())
      if (auto kept = read_scores(file, name, task_)) {
        line.runs.push_back(std::move(*kept));
        return thaw::Done{};
      }
    const ClickWorld world{&task_, seed};
    const auto known = base(w, world, chosen.value().choice.base);
    if (!known) return known.fault();
    const double start = seconds();
    const auto method = w.entry->make(*known.value(), world);
    method->learn();
    const double learnt = seconds();
    line.runs.push_back(run_phases(*method, world, chosen.value().choice));
    const FineTuning& t = chosen.value().choice;
    say("%s, seed %d: learnt in %.1f s, phases in %.1f s; %d epochs, rate %g, strength %g, base %d, tuned to %.4f\n",
        w.entry->name, static_cast<int>(seed), learnt - start, seconds() - learnt, t.epochs, t.rate, t.strength, t.base,
        chosen.value().auc);
    return o_.out.empty() ? thaw::Result<thaw::Done>(thaw::Done{}) : write_scores(file, name, line.runs.back());
  }

  TrainOptions o_;
  const Task& task_;
  const Task& pseudo_new_;
  std::map<std::string, std::unique_ptr<ClickBase>> bases_;
  std::map<std::string, Tuned> tuned_;
};

}  // namespace mwuf
