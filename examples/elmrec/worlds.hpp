// The item sequences to work on: a data set's folder, or generated ones with planted structure.
//
//   auto data = elmrec::load_sequences("amazon-beauty", folder);          // folder/amazon-beauty/sequential.txt(.gz)
//   auto data = elmrec::load_sequences("generated", "");
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "thaw/data/item_sequences.hpp"

namespace elmrec {

struct GeneratedOptions {
  std::int32_t users = 3000, items = 600, tastes = 30;
  double follows = 0.35;  // the item that comes after the last one in its circle
  double taste = 0.5;     // an item of the user's taste; the rest are any items
  std::uint64_t seed = 1;
};

// Users have one taste, a set of items; items of a taste also follow one another in a circle. Every item is used.
inline thaw::ItemSequences generate_sequences(const GeneratedOptions& o = {}) {
  thaw::ItemSequences data;
  data.name = "generated";
  data.items = o.items;
  data.lists.offsets.assign(1, 0);
  const std::int32_t size = o.items / o.tastes;
  const auto of_taste = [&](std::int32_t taste, std::int32_t place) { return taste + o.tastes * (place % size); };
  std::vector<std::int32_t> row;
  for (std::int32_t user = 0; user < o.users; ++user) {
    thaw::Philox rng(o.seed, static_cast<std::uint64_t>(user));
    const auto taste = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(o.tastes)));
    const std::size_t length = 5 + rng.below(8);
    row.assign(1, user % (size * o.tastes));
    while (row.size() < length) {
      const double coin = rng.uniform();
      std::int32_t item = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(size * o.tastes)));
      if (coin < o.follows)
        item = of_taste(row.back() % o.tastes, row.back() / o.tastes + 1);
      else if (coin < o.follows + o.taste)
        item = of_taste(taste, static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(size))));
      if (std::find(row.begin(), row.end(), item) == row.end()) row.push_back(item);
    }
    data.lists.ids.insert(data.lists.ids.end(), row.begin(), row.end());
    data.lists.offsets.push_back(static_cast<std::int64_t>(data.lists.ids.size()));
  }
  data.items = size * o.tastes;
  return data;
}

// `folder` empty: THAW_DATA, then ./data.
inline thaw::Result<thaw::ItemSequences> load_sequences(const std::string& name, const std::string& folder) {
  if (name == "generated") return generate_sequences();
  const char* variable = std::getenv("THAW_DATA");
  const std::string root = !folder.empty() ? folder : variable != nullptr ? variable : "data";
  auto read = thaw::read_item_sequences(thaw::join_path(thaw::join_path(root, name), "sequential.txt"));
  if (read) read.value().name = name;
  return read;
}

}  // namespace elmrec
