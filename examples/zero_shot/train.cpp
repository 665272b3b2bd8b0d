// Trains the zero-shot recommender on some data sets and measures it on others.
//
//   thaw_zero_shot_train --sources lastfm-lightgcnpp,amazon-beauty --targets ml-1m-mulsetrank
//   thaw_zero_shot_train --save weights.safetensors --sources shippable --targets none
//   thaw_zero_shot_train --help
//
// A target is never among the sources of the network that is measured on it. Training-free methods stand beside it.
#include <cstdio>

#include "command_line/parse.hpp"
#include "thaw/train/text.hpp"
#include "zero_shot/comparison.hpp"
#include "zero_shot/train_options.hpp"

namespace {

using namespace zero_shot;

void declare(CLI::App& app, TrainOptions& o, std::string& sources, std::string& targets) {
  using command_line::whole_number;
  constexpr std::uint64_t kMost = 1'000'000'000;
  app.add_option("--sources", sources,
                 "data sets to learn from, separated by commas; shippable: all whose terms allow it")
      ->capture_default_str();
  app.add_option("--targets", targets, "data sets to measure on, or none")->capture_default_str();
  app.add_option("--variant", o.variant, "best: evidence of pairs; paper: activity, node and edge clusters")
      ->check(CLI::IsMember({"best", "paper"}))
      ->capture_default_str();
  app.add_option("--data", o.folder, "where data sets are (default: THAW_DATA, then ./data)");
  app.add_option("--users", o.users, "test users of each target")->check(whole_number(1, kMost))->capture_default_str();
  app.add_option("--supervised", o.supervised, "users of each world that teach (default: best 600, paper 1500)")
      ->check(whole_number(1, kMost));
  app.add_option("--steps", o.steps, "steps of training (default: best 6000, paper 600)")
      ->check(whole_number(1, kMost));
  app.add_option("--seeds", o.seeds, "how many networks, from --seed on")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of the first network")->check(whole_number(0))->capture_default_str();
  app.add_option("--ease-items", o.ease_items, "EASE beside it up to this many items")
      ->check(whole_number(0, kMost))
      ->capture_default_str();
  app.add_option("--beside", o.beside, "lines of these too, tuned on validation items: ials, bpr-mf, ease, lightgcn");
  app.add_option("--interpolate", o.other,
                 "mix with these, weight by validation: p3alpha, item-knn and those of --beside");
  app.add_option("--epochs", o.epochs, "of LightGCN and BPR-MF at most; validation chooses how many")
      ->check(whole_number(1, 100'000))
      ->capture_default_str();
  app.add_flag("--validation", o.validation, "ask for validation items, from the training items alone: for choices");
  app.add_flag("--cold", o.cold, "users with 0, 1, 2, 3 and 5 items");
  app.add_flag("--cold-items", o.cold_items, "new items with 0, 1, 2, 3 and 5 interactions");
  app.add_option("--rows", o.rows, "keep training rows in this existing folder and read them back");
  app.add_option("--save", o.save, "write the weights trained on all sources");
  app.add_option("--load", o.load, "measure these weights, train nothing");
}

thaw::Result<thaw::Done> run(const TrainOptions& o) {
  for (const auto* names : {&o.sources, &o.targets})
    for (const std::string& name : *names)
      if (find_source(name) == nullptr) return load_source(name).fault();
  if (o.variant == "paper") return Experiment<PaperSystem>(o).run();
  return Experiment<BestSystem>(o).run();
}

}  // namespace

int main(int count, char** words) {
  TrainOptions options;
  std::string sources = "shippable", targets = "generated";
  int status = 0;
  CLI::App app{"Trains on some data sets, measures on others that it never saw."};
  declare(app, options, sources, targets);
  if (!command_line::parse(app, count, words, status)) return status;
  options.sources = sources == "shippable" ? shippable() : thaw::split_names(sources);
  if (targets != "none") options.targets = thaw::split_names(targets);
  const thaw::Result<thaw::Done> done = run(options);
  if (done) return 0;
  std::fprintf(stderr, "thaw_zero_shot_train: %s\n", done.fault().text);
  return 1;
}
