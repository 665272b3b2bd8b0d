// Command line of the trainer.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "thaw/train/text.hpp"
#include "zero_shot/sources.hpp"

namespace zero_shot {

struct TrainOptions {
  std::vector<std::string> sources, targets;
  std::string variant = "best", folder, save, load, other, beside, rows;
  int users = 1000, supervised = 0, steps = 0, seeds = 1;
  std::int32_t ease_items = 5000;
  std::uint64_t seed = 1;
  bool cold = false, cold_items = false, validation = false;
};

inline constexpr const char* kTrainHelp =
    "thaw_zero_shot_train: trains on some data sets, measures on others that it never saw\n"
    "  --sources NAMES     data sets to learn from, separated by commas; shippable: all whose terms allow it "
    "(shippable)\n"
    "  --targets NAMES     data sets to measure on, or none (generated)\n"
    "  --variant NAME      best: evidence of pairs; paper: activity, node and edge clusters (best)\n"
    "  --data FOLDER       where data sets are (THAW_DATA, then ./data)\n"
    "  --users N           test users of each target (1000)\n"
    "  --supervised N      users of each world that teach (best 600, paper 1500)\n"
    "  --steps N           steps of training (best 6000, paper 600)\n"
    "  --seeds N, --seed S how many networks, from which seed on (1, 1)\n"
    "  --ease-items N      EASE beside it up to this many items (5000)\n"
    "  --beside NAMES      lines of these too, tuned on validation items: ials, bpr-mf, ease, lightgcn\n"
    "  --interpolate NAMES mix with these, weight by validation: p3alpha, item-knn and those of --beside\n"
    "  --validation        ask for validation items, from the training items alone: for choices\n"
    "  --cold              users with 0, 1, 2, 3 and 5 items\n"
    "  --cold-items        new items with 0, 1, 2, 3 and 5 interactions\n"
    "  --rows FOLDER       keep training rows there and read them back (an existing folder)\n"
    "  --save FILE         write the weights trained on all sources\n"
    "  --load FILE         measure these weights, train nothing\n";

namespace detail {

inline std::vector<std::string> shippable() {
  std::vector<std::string> names;
  for (const SourceEntry& entry : kSources)
    if (entry.may_ship && entry.form != SourceEntry::Form::generated) names.emplace_back(entry.name);
  return names;
}

// The number behind a word, -1 where it is none.
inline long whole(const std::string& word) {
  char* end = nullptr;
  const long number = std::strtol(word.c_str(), &end, 10);
  return word.empty() || *end != '\0' || number < 0 || number > 1'000'000'000 ? -1 : number;
}

}  // namespace detail

// Errors: an option, a value or a data set that is not known.
inline thaw::Result<TrainOptions> read_train_options(int count, char** words) {
  TrainOptions o;
  o.sources = detail::shippable();
  o.targets = {"generated"};
  const auto wrong = [](const std::string& what, const char* expected) {
    return thaw::make_fault(thaw::FaultKind::mismatch, what.c_str(), ": ", expected, "; see --help");
  };
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--cold" || name == "--cold-items" || name == "--validation") {
      (name == "--cold" ? o.cold : name == "--validation" ? o.validation : o.cold_items) = true;
      continue;
    }
    if (i + 1 >= count) return wrong(name, "no such option, or its value is missing");
    const std::string value = words[++i];
    const long number = detail::whole(value);
    const std::pair<const char*, std::string*> texts[] = {
        {"--variant", &o.variant}, {"--data", &o.folder},       {"--save", &o.save},    {"--load", &o.load},
        {"--rows", &o.rows},       {"--interpolate", &o.other}, {"--beside", &o.beside}};
    const std::pair<const char*, int*> numbers[] = {{"--users", &o.users},
                                                    {"--supervised", &o.supervised},
                                                    {"--steps", &o.steps},
                                                    {"--seeds", &o.seeds},
                                                    {"--ease-items", &o.ease_items}};
    bool known = true;
    if (name == "--sources") {
      o.sources = value == "shippable" ? detail::shippable() : thaw::split_names(value);
    } else if (name == "--targets") {
      o.targets = value == "none" ? std::vector<std::string>() : thaw::split_names(value);
    } else if (name == "--seed" && number >= 0) {
      o.seed = static_cast<std::uint64_t>(number);
    } else {
      known = false;
    }
    for (const auto& [option, text] : texts)
      if (name == option) *text = value, known = true;
    for (const auto& [option, to] : numbers)
      if (name == option && number >= 0) *to = static_cast<int>(number), known = true;
    if (!known) return wrong(name + " " + value, "no such option, or not a whole number");
  }
  if (o.variant != "best" && o.variant != "paper") return wrong(o.variant, "a variant is best or paper");
  if (o.users < 1 || o.seeds < 1) return wrong("--users, --seeds", "expected numbers above 0");
  for (const auto* names : {&o.sources, &o.targets})
    for (const std::string& name : *names)
      if (find_source(name) == nullptr) return load_source(name).fault();
  return o;
}

}  // namespace zero_shot
