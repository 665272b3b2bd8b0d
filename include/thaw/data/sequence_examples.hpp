// Examples and graphs from item sequences: next-item slices, candidate lists with negatives, training edges.
//
//   thaw::Philox rng(seed, step);
//   auto next = thaw::draw_next_item(data, user, 20, rng);            // next.history, next.answer
//   auto list = thaw::negatives_of(data, user, 99, /*seed*/ 2024);    // fixed by seed and user
//   auto graph = thaw::training_interactions(data);                   // no validation or test pair among the edges
//
// Training examples never hold a validation or test item as a positive. Negatives are drawn evenly from the items that
// are nowhere in the user's list, each at most once. Not a batcher.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/data/item_sequences.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

// A history, oldest first, and what came next.
struct NextItem {
  std::span<const std::int32_t> history;
  std::int32_t answer = -1;
};

namespace detail {

// The last `most` items before `list.back()`, and that.
inline NextItem next_item(std::span<const std::int32_t> list, std::size_t most) {
  const std::span<const std::int32_t> before = list.first(list.size() - 1);
  return {before.last((std::min)(before.size(), most)), list.back()};
}

}  // namespace detail

inline NextItem test_item(const ItemSequences& data, std::int32_t user, std::size_t most_history) {
  require(data.has_test(user), "test_item: user ", user, " has fewer than three items");
  return detail::next_item(data.of(user), most_history);
}
inline NextItem validation_item(const ItemSequences& data, std::int32_t user, std::size_t most_history) {
  require(data.has_test(user), "validation_item: user ", user, " has fewer than three items");
  return detail::next_item(data.train_and_validation(user), most_history);
}
// A random stretch of the training part: start even in 0 .. n - 2, end even behind it, the last `most_history` items
// before the end. The user must have two training items.
inline NextItem draw_next_item(const ItemSequences& data, std::int32_t user, std::size_t most_history, Philox& rng) {
  const auto train = data.train(user);
  require(train.size() >= 2, "draw_next_item: user ", user, " has ", train.size(), " training items, two are needed");
  const std::uint32_t start = rng.below(static_cast<std::uint32_t>(train.size() - 1));
  const std::uint32_t end = start + 1 + rng.below(static_cast<std::uint32_t>(train.size()) - start - 1);
  return detail::next_item(train.subspan(start, end - start + 1), most_history);
}

// `count` items that are nowhere in the user's list, each once, appended to `out`. Takes all there are when fewer.
inline void draw_negatives(const ItemSequences& data, std::int32_t user, std::size_t count, Philox& rng,
                           std::vector<std::int32_t>& out) {
  const auto list = data.of(user);
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  count = (std::min)(count, static_cast<std::size_t>(data.items) - list.size());
  while (out.size() - static_cast<std::size_t>(first) < count) {
    const auto item = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(data.items)));
    if (std::find(list.begin(), list.end(), item) != list.end()) continue;
    if (std::find(out.begin() + first, out.end(), item) != out.end()) continue;
    out.push_back(item);
  }
}
// The same for every run: depends on seed and user alone.
inline std::vector<std::int32_t> negatives_of(const ItemSequences& data, std::int32_t user, std::size_t count,
                                              std::uint64_t seed) {
  std::vector<std::int32_t> out;
  Philox rng(Key{seed}.fold(0x6e65676174697665).bits, static_cast<std::uint64_t>(user));
  draw_negatives(data, user, count, rng, out);
  return out;
}

// The edges that training may see, by user and by item.
inline Result<Interactions> training_interactions(const ItemSequences& data, bool with_validation = false) {
  std::vector<Rating> pairs;
  for (std::int32_t user = 0; user < data.users(); ++user)
    for (const std::int32_t item : with_validation ? data.train_and_validation(user) : data.train(user))
      pairs.push_back({user, item, 1.0f});
  return Interactions::from_graph(RatingGraph::from_ratings(pairs, data.users(), data.items));
}
// A graph that leaks on purpose, to show what a random split of all records does: every interaction, test and
// validation items among them, is an edge with probability `share`. Only for reproduction, never for a result.
inline Result<Interactions> leaky_interactions(const ItemSequences& data, double share, std::uint64_t seed) {
  std::vector<Rating> pairs;
  for (std::int32_t user = 0; user < data.users(); ++user) {
    Philox rng(Key{seed}.fold(0x6c65616b).bits, static_cast<std::uint64_t>(user));
    for (const std::int32_t item : data.of(user))
      if (rng.uniform() < share) pairs.push_back({user, item, 1.0f});
  }
  return Interactions::from_graph(RatingGraph::from_ratings(pairs, data.users(), data.items));
}

}  // namespace thaw::inline v0
