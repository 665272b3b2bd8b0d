// What a comparison of click models is asked for; train.cpp reads it from the command line.
#pragma once

#include <cstdint>
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
