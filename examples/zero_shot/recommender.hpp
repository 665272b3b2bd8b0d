// Recommender: a frozen network on the statistics of a data set that it never saw.
//
//   zero_shot::Recommender recommender(target, network);
//   recommender.score_from(history, candidates, out);              // as every scorer of histories
//   zero_shot::Workspace space;
//   recommender.rank(history, space);                              // space.pairs.items(), space.scores
//
// The network scores the best few hundred items of each piece of evidence; every other item comes below them in order
// of popularity. Nothing is trained here: no label of the target is asked for and no weight changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/baselines/history_scorer.hpp"
#include "zero_shot/features.hpp"
#include "zero_shot/network.hpp"

namespace zero_shot {

struct Workspace {
  PairFeatures pairs;
  std::vector<float> scores;  // (candidates), in the order of pairs.items()
  std::vector<float> all;     // (items)
  thaw::GrowingArena arena;
};

class Recommender {
 public:
  Recommender(const Statistics& statistics, const Network& network) : statistics_(statistics), network_(network) {}

  std::int32_t item_count() const { return statistics_.item_count(); }
  const Statistics& statistics() const { return statistics_; }

  void rank(std::span<const std::int32_t> history, Workspace& space) const {
    space.pairs.build(statistics_, history, {});
    space.scores.resize(space.pairs.items().size());
    if (!space.scores.empty()) network_.score(space.pairs.rows(), space.scores, space.arena);
  }
  // Safe from many threads; allocates a workspace. Where many users are asked, call score() with one.
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    Workspace space;
    score(history, items, out, space);
  }
  void score(std::span<const std::int32_t> history, std::span<const std::int32_t> items, std::span<float> out,
             Workspace& space) const {
    thaw::detail::check_history("Recommender", item_count(), history, items, out);
    rank(history, space);
    float lowest = 0;
    for (const float s : space.scores) lowest = (std::min)(lowest, s);
    std::vector<float>& all = space.all;
    all.resize(static_cast<std::size_t>(item_count()));
    const auto count = static_cast<float>(item_count());
    for (std::int32_t i = 0; i < item_count(); ++i)
      all[static_cast<std::size_t>(i)] = lowest - 1e-3f - statistics_.popularity_rank(i) / count;
    for (std::size_t i = 0; i < space.scores.size(); ++i)
      all[static_cast<std::size_t>(space.pairs.items()[i])] = space.scores[i];
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = all[static_cast<std::size_t>(items[i])];
  }

 private:
  const Statistics& statistics_;
  const Network& network_;
};

}  // namespace zero_shot
