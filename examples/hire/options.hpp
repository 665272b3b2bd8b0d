// Command line of the demonstration.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "command_line/parse.hpp"
#include "hire/recipe.hpp"
#include "hire/serve.hpp"

namespace hire {

struct DemoOptions {
  std::string data = "generated", data_dir, out = "out", variant = "best", protocol = "leak-free";
  std::string device = "cpu";  // what trains
  std::uint64_t seed = 200, data_seed = 1;
  int seeds = 1, threads = 0;
  std::int64_t steps = 0, checkpoint_every = 100;
  double rate = 0;
  std::string candidates = "32", sampler;
  bool quick = false, resume = false;
  RatingsFile file;      // how to read --data where it is a file; its path is `data`
  bool inspect = false;  // the subcommand `data`
  std::string inspected = "ml-1m";
  bool serve = false;  // the subcommand `recommend`
  ServeOptions served;
  std::string command;  // as typed

  static inline const std::map<std::string, Sampler> samplers{{"overlap", Sampler::overlap},
                                                              {"neighbourhood", Sampler::neighbourhood},
                                                              {"uniform", Sampler::uniform},
                                                              {"attributes", Sampler::attribute_similarity}};
};

using command_line::positive_number;
using command_line::whole_number;

// How a ratings file of your own is read.
inline void declare_file(CLI::App& app, RatingsFile& file) {
  app.add_option("--user-column", file.user_column, "name of the column of users, or its position from 1");
  app.add_option("--item-column", file.item_column, "the same for items");
  app.add_option("--rating-column", file.rating_column, "the same for ratings");
  app.add_option("--time-column", file.time_column, "the same for times");
  app.add_option("--user-attributes", file.user_attributes,
                 "table with what is known of users: CSV or tabs, names in the first line, ids in the first column");
  app.add_option("--item-attributes", file.item_attributes, "the same for items, such as MovieLens' movies.csv");
}

inline void declare_recommend(CLI::App& app, ServeOptions& o) {
  app.add_option("--model", o.model, "the model file of an earlier run")->capture_default_str();
  app.add_option("--rate", o.rates, "ITEM=RATING: a rating she gives; ITEM is an id or a title, or part of one");
  app.add_option("--is", o.facts, "NAME=VALUE: an attribute of hers, such as 'age group=25-34'");
  app.add_option("--top", o.top, "how many items to recommend")->check(whole_number(1, 1000))->capture_default_str();
  app.add_option("--threads", o.threads, "threads to compute with")->check(whole_number(1, 256))->capture_default_str();
}

inline void declare(CLI::App& app, DemoOptions& o) {
  app.add_option("--data", o.data, "generated, ml-1m, or a ratings file (csv, tsv, ::, RecBole; plain or gzip)")
      ->capture_default_str();
  app.add_option("--data-dir", o.data_dir, "folder of MovieLens-1M or the one above (default: THAW_DATA, then ./data)");
  app.add_option("--variant", o.variant, "best: what we would ship; paper: the published run")
      ->check(CLI::IsMember({"best", "paper"}))
      ->capture_default_str();
  app.add_option("--protocol", o.protocol, "how to score; published needs --data ml-1m with its split")
      ->check(CLI::IsMember({"leak-free", "published"}))
      ->capture_default_str();
  app.add_option("--candidates", o.candidates, "hidden ratings of a user that are scored: at most 32, or all")
      ->check(CLI::IsMember({"32", "all"}))
      ->capture_default_str();
  app.add_option("--sampler", o.sampler,
                 "who else is in a published context (default: overlap for paper, attributes for best)")
      ->check(CLI::IsMember(DemoOptions::samplers));
  app.add_option("--steps", o.steps, "training steps (default: by data and variant)")->check(whole_number(1));
  app.add_option("--rate", o.rate, "learning rate (default: the variant's)")->check(positive_number());
  app.add_option("--seed", o.seed, "seed of weights and contexts")->check(whole_number(0))->capture_default_str();
  app.add_option("--seeds", o.seeds, "how many seeds to train, from --seed on; tables show mean ± spread")
      ->check(whole_number(1, 100))
      ->capture_default_str();
  app.add_option("--data-seed", o.data_seed, "seed of generated data and of our own split")
      ->check(whole_number(0))
      ->capture_default_str();
  app.add_option("--threads", o.threads, "threads to compute with (default: all cores, at most 8)")
      ->check(whole_number(1, 256));
  app.add_option("--device", o.device, "what takes the training steps; cuda needs a build with it (docs/cuda.md)")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--out", o.out, "folder for the model, the report and checkpoints")->capture_default_str();
  app.add_option("--checkpoint-every", o.checkpoint_every, "steps between checkpoints")
      ->check(whole_number(1))
      ->capture_default_str();
  app.add_flag("--resume", o.resume, "go on from the checkpoint in --out, bit for bit");
  app.add_flag("--quick", o.quick, "a small world and few steps: about 15 seconds");
  declare_file(app, o.file);
  app.footer("Ctrl-C finishes the step and saves a checkpoint; --resume goes on from there.");
}

// Reads the command line. Returns true when the program should go on; else `status` is its exit status.
inline bool read_options(int argc, char** argv, DemoOptions& o, int& status) {
  CLI::App app{"Trains HIRE, a recommender for users and items nobody knows yet, and shows what it can do."};
  app.name("dev demo");
  declare(app, o);
  CLI::App* serve =
      app.add_subcommand("recommend", "recommend items to somebody new, with the model of an earlier run");
  declare_recommend(*serve, o.served);
  CLI::App* inspect =
      app.add_subcommand("data", "say what the readers make of your data, and where to get MovieLens-1M");
  inspect->add_option("what", o.inspected, "ml-1m or a ratings file")->capture_default_str();
  inspect->add_option("--data-dir", o.data_dir, "folder of MovieLens-1M or the one above");
  declare_file(*inspect, o.file);
  if (!command_line::parse(app, argc, argv, status)) return false;
  o.inspect = inspect->parsed();
  o.serve = serve->parsed();
  o.file.path = o.inspect ? o.inspected : o.data;
  o.command = "./dev demo";
  for (int i = 1; i < argc; ++i) o.command += " " + command_line::shell_quoted(argv[i]);
  return true;
}

}  // namespace hire
