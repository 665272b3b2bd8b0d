// Small worlds for the tests of the zero-shot recommender.
#pragma once

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

#include "zero_shot/learn.hpp"
#include "zero_shot/target.hpp"

namespace zero_shot_test {

// Lists with every user and item renamed by a random permutation.
struct Renamed {
  std::vector<std::int32_t> user, item;  // new number of each
  std::vector<thaw::Rating> ratings;

  Renamed(const std::vector<thaw::Rating>& from, std::int32_t users, std::int32_t items, std::uint64_t seed)
      : user(static_cast<std::size_t>(users)), item(static_cast<std::size_t>(items)) {
    thaw::Philox rng(seed);
    std::iota(user.begin(), user.end(), 0), std::iota(item.begin(), item.end(), 0);
    rng.shuffle(user), rng.shuffle(item);
    for (const thaw::Rating& r : from)
      ratings.push_back({user[static_cast<std::size_t>(r.user)], item[static_cast<std::size_t>(r.item)], r.value});
  }
};

inline std::vector<std::int32_t> history_of(const thaw::RatingGraph& graph, std::int32_t user) {
  std::vector<std::int32_t> items;
  for (const auto& edge : graph.by_user.row(user)) items.push_back(edge.column);
  return items;
}

inline thaw::RatingGraph graph_of(const zero_shot::PlantedOptions& options) {
  const thaw::Dataset data = zero_shot::planted(options);
  return thaw::RatingGraph::from_ratings(data.ratings, data.users.size(), data.items.size());
}

// Rows of one source, all worlds of the best variant.
inline zero_shot::TrainingRows rows_of(const zero_shot::PlantedOptions& options, int supervised, bool cross_fit = true,
                                       int worlds = 3) {
  const thaw::SplitLists split = thaw::split_at_random(zero_shot::planted(options));
  const thaw::IdLists lists = zero_shot::visible_lists(split);
  zero_shot::TrainingRows rows;
  auto all = zero_shot::standard_worlds(options.seed, supervised);
  all.resize(static_cast<std::size_t>(worlds));
  for (zero_shot::WorldOptions& world : all) {
    world.cross_fit = cross_fit;
    const auto done = zero_shot::add_world(lists, split.items, world, rows);
    CHECK_MESSAGE(done.ok(), (done ? "" : done.fault().text));
  }
  return rows;
}

inline double recall(const zero_shot::Target& target, const zero_shot::Network& network) {
  const auto statistics = zero_shot::Statistics::fit(target.graph(), {});
  CHECK(statistics.ok());
  if (!statistics) return 0;
  const auto table = target.measure(zero_shot::Recommender(statistics.value(), network));
  CHECK(table.ok());
  return table ? table.value().mean("Recall@20") : 0;
}

}  // namespace zero_shot_test
