// Command line of the trainer of click models.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mwuf/methods.hpp"
#include "thaw/train/text.hpp"

namespace mwuf {

struct TrainOptions {
  std::string base = "wide_deep", warm_up = "mwuf", variant = "paper", data = "ml-1m", data_dir, order = "both", out;
  int seeds = 1, epochs = 1, width = 16, resamples = 1000;
  std::uint64_t seed = 1;
  double deviation = 0.01, dropout = -1;
  bool curves = false, progress = true;
};

inline constexpr const char* kTrainHelp =
    "thaw_click_train: warms up new items around click models and measures it slice by slice\n"
    "  --base NAMES        fm, wide_deep, deepfm, ..., separated by commas, or all (wide_deep)\n"
    "  --warm-up NAMES     methods, separated by commas, or all (mwuf)\n"
    "  --variant NAME      paper, or best: mwuf then stands for the method best (paper)\n"
    "  --data NAME         ml-1m, book-crossing, douban-book, taobao, cikm2019; planted worlds: generated,\n"
    "                      generated-nothing, generated-user-sets (ml-1m)\n"
    "  --data-dir FOLDER   where data sets are (THAW_DATA, then ./data)\n"
    "  --order NAME        next-slice, fixed-test or both (both)\n"
    "  --seeds N, --seed S how many seeds, from which on (1, 1)\n"
    "  --epochs N          passes over the old items (1)\n"
    "  --deviation D       of the start of all vectors (0.01)\n"
    "  --width N           of all vectors (16)\n"
    "  --dropout P         share of impressions that DropoutNet's bases learn without their item (0.1 and 0.5)\n"
    "  --curves            print what every fine-tuning budget gives on pseudo-new items\n"
    "  --resamples N       of the bootstrap over items, which compares the last line with the others; 0: none (1000)\n"
    "  --out FOLDER        keep finished runs there, take up those that are there, write tables.md\n";

// Errors: an option or a value that is not known.
inline thaw::Result<TrainOptions> read_train_options(int count, char** words) {
  TrainOptions o;
  const auto wrong = [](const std::string& what, const char* expected) {
    return thaw::make_fault(thaw::FaultKind::mismatch, what.c_str(), ": ", expected, "; see --help");
  };
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--curves") {
      o.curves = true;
      continue;
    }
    if (i + 1 >= count) return wrong(name, "no such option, or its value is missing");
    const std::string value = words[++i];
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool is_number = end != value.c_str() && *end == '\0' && number >= 0;
    if (name == "--base")
      o.base = value;
    else if (name == "--warm-up")
      o.warm_up = value;
    else if (name == "--variant")
      o.variant = value;
    else if (name == "--data")
      o.data = value;
    else if (name == "--data-dir")
      o.data_dir = value;
    else if (name == "--order")
      o.order = value;
    else if (name == "--out")
      o.out = value;
    else if (!is_number)
      return wrong(name + " " + value, "no such option, or not a number");
    else if (name == "--seeds")
      o.seeds = static_cast<int>(number);
    else if (name == "--seed")
      o.seed = static_cast<std::uint64_t>(number);
    else if (name == "--resamples")
      o.resamples = static_cast<int>(number);
    else if (name == "--epochs")
      o.epochs = static_cast<int>(number);
    else if (name == "--width")
      o.width = static_cast<int>(number);
    else if (name == "--deviation")
      o.deviation = number;
    else if (name == "--dropout")
      o.dropout = number;
    else
      return wrong(name, "no such option");
  }
  if (o.variant != "paper" && o.variant != "best") return wrong(o.variant, "a variant is paper or best");
  if (o.order != "next-slice" && o.order != "fixed-test" && o.order != "both")
    return wrong(o.order, "an order is next-slice, fixed-test or both");
  if (thaw::split_names(o.base).empty()) return wrong("--base", "expected the name of a base model");
  if (o.seeds < 1 || o.epochs < 1 || o.width < 1 || !(o.deviation > 0))
    return wrong("--seeds, --epochs, --width, --deviation", "expected numbers above 0");
  return o;
}

// The bases that were asked for; whether there are such bases shows when they are made.
inline std::vector<std::string> chosen_bases(const TrainOptions& o) {
  if (o.base != "all") return thaw::split_names(o.base);
  std::vector<std::string> names;
  BaseModels::each([&](auto base) { names.emplace_back(decltype(base)::kName); });
  return names;
}

// The methods that were asked for, in the order of the table where it was all of them. Errors: a name not in the table.
inline thaw::Result<std::vector<const MethodEntry*>> chosen_methods(const TrainOptions& o) {
  std::vector<const MethodEntry*> out;
  if (o.warm_up == "all")
    for (const MethodEntry& entry : kMethods) out.push_back(&entry);
  else
    for (const std::string& name : thaw::split_names(o.warm_up)) {
      const MethodEntry* entry = find_method(name == "mwuf" && o.variant == "best" ? "best" : name);
      if (entry == nullptr) {
        thaw::Fault fault =
            thaw::make_fault(thaw::FaultKind::mismatch, "no method is called ", name.c_str(), "; there are");
        for (const MethodEntry& known : kMethods) fault.add(" ").add(known.name);
        return fault;
      }
      out.push_back(entry);
    }
  return out;
}

}  // namespace mwuf
