// What the trainer is asked for; train.cpp reads it from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "zero_shot/sources.hpp"

namespace zero_shot {

struct TrainOptions {
  std::vector<std::string> sources, targets;
  std::string variant = "best", folder, save, load, other, beside, rows;
  int users = 1000, supervised = 0, steps = 0, seeds = 1, epochs = 200;
  std::int32_t ease_items = 5000;
  std::uint64_t seed = 1;
  bool cold = false, cold_items = false, validation = false;
};

// Names of the sources whose terms allow weights learnt from them to be given away.
inline std::vector<std::string> shippable() {
  std::vector<std::string> names;
  for (const SourceEntry& entry : kSources)
    if (entry.may_ship && entry.form != SourceEntry::Form::generated) names.emplace_back(entry.name);
  return names;
}

}  // namespace zero_shot
