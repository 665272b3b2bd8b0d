// Dataset: users, items, their attributes and the ratings, in dense ids; what every reader produces.
//
// Raw ids (any text) and dense ids (0-based rows) are tied together by a Vocabulary. An attribute is categorical and
// may have several values for one entity (genres), or none. Not a training batch: samplers make those.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "thaw/core/config.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

// Texts numbered in order of first appearance.
class Vocabulary {
 public:
  static constexpr std::int32_t kUnknown = -1;

  // The number of a text, added when new.
  std::int32_t add(std::string_view text) {
    const auto [at, is_new] = number_of_.try_emplace(std::string(text), static_cast<std::int32_t>(texts_.size()));
    if (is_new) texts_.push_back(at->first);
    return at->second;
  }
  // The number of a text, kUnknown when it was never added.
  std::int32_t find(std::string_view text) const {
    const auto at = number_of_.find(std::string(text));
    return at == number_of_.end() ? kUnknown : at->second;
  }
  const std::string& text(std::int32_t number) const { return texts_[static_cast<std::size_t>(number)]; }
  std::int32_t size() const { return static_cast<std::int32_t>(texts_.size()); }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::int32_t> number_of_;
};

// One categorical attribute of all entities of a side: entity e has the values ids[offsets[e] .. offsets[e+1]).
struct Attribute {
  std::string name;                      // "genre"
  Vocabulary values;                     // "Comedy", ...
  std::vector<std::int32_t> offsets{0};  // (entities + 1)
  std::vector<std::int32_t> ids;         // value numbers, no repeats inside an entity
  std::int32_t declared_size = 0;        // rows that a published model's table has, where that is more than is used

  // Rows that an embedding table of this attribute needs.
  std::int32_t cardinality() const { return (std::max)(values.size(), declared_size); }
  std::span<const std::int32_t> of(std::int32_t entity) const {
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(entity)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(entity) + 1]);
    return {ids.data() + begin, end - begin};
  }
  // Gives the next entity its values; a repeated one counts once.
  void append(std::span<const std::int32_t> numbers) {
    const auto begin = static_cast<std::ptrdiff_t>(ids.size());
    for (const std::int32_t number : numbers)
      if (std::find(ids.begin() + begin, ids.end(), number) == ids.end()) ids.push_back(number);
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
};

// All users, or all items.
struct Entities {
  Vocabulary ids;                     // raw ids, in dense order
  std::vector<Attribute> attributes;  // each covers every entity
  std::vector<std::string> titles;    // what to print for an entity; empty when there is nothing better than its id
  std::vector<std::int32_t> years;    // when each entity appeared (release year), 0 where unknown; may be empty

  std::int32_t size() const { return ids.size(); }
  const std::string& title(std::int32_t entity) const {
    return titles.empty() ? ids.text(entity) : titles[static_cast<std::size_t>(entity)];
  }
};

struct Dataset {
  std::string name;
  Entities users;
  Entities items;
  std::vector<Rating> ratings;      // at most one for each (user, item)
  std::vector<std::int64_t> times;  // when each rating was given, in the file's unit; empty when not known
  float lowest = 1;                 // the rating scale
  float highest = 5;
  std::int64_t replaced = 0;  // ratings of the file that a later line replaced, where the reader was told to let it
};

}  // namespace thaw::inline v0
