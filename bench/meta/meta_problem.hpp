// Random users of MovieLens-1M's shape for the timing of meta-learners: table sizes and the number of values of an item
// are the data set's, who saw what is drawn.
//
//   bench::MetaProblem problem;
//   learner.train(problem.meta_batch(0));                        // 32 users
//   learner.adapt(-1, problem.new_user().support, /*steps*/ 1);
//
// Ranking: ten records and ten negatives in the support and as many in the query. Ratings: ten and ten records.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/core/random.hpp"

namespace bench {

struct MetaProblem {
  static constexpr std::int32_t kUsers = 6040, kItems = 3706;
  static constexpr std::size_t kBatch = 32, kBatches = 8, kRecords = 10, kCandidates = 100;

  struct Kind {
    const char* name;
    std::int32_t size, fewest, most;  // rows of its table, values of an entity
  };
  // Of the items; MeLU reads the first too.
  static std::vector<Kind> item_kinds(bool with_rate) {
    std::vector<Kind> kinds = {{"genre", 25, 1, 4}, {"director", 2186, 1, 1}, {"actor", 8030, 4, 4}};
    if (with_rate) kinds.insert(kinds.begin(), {"rate", 6, 1, 1});
    return kinds;
  }
  static std::vector<Kind> user_kinds() {
    return {{"gender", 2, 1, 1}, {"age", 7, 1, 1}, {"occupation", 21, 1, 1}, {"zip", 3402, 1, 1}};
  }

  thaw::Dataset data;
  hyperrs::World world;
  std::vector<thaw::Episode> episodes;
  std::vector<std::int32_t> candidates;

  explicit MetaProblem(hyperrs::Objective objective, std::uint64_t seed = 1) : rng_(seed, 0) {
    const bool rating = objective == hyperrs::Objective::rating;
    fill(data.users, kUsers, rating ? user_kinds() : std::vector<Kind>{});
    fill(data.items, kItems, item_kinds(rating));
    std::vector<thaw::Rating> seen;
    for (std::int32_t u = 0; u < kUsers; ++u) seen.push_back({u, u % kItems, 1});
    world.data = &data;
    world.train = thaw::RatingGraph::from_ratings(seen, kUsers, kItems);
    world.objective = objective;
    for (std::size_t e = 0; e < kBatch * kBatches; ++e) {
      thaw::Episode episode;
      episode.user = static_cast<std::int32_t>(e) * 23;
      episode.support = part(rating);
      episode.query = part(rating);
      episodes.push_back(std::move(episode));
    }
    for (std::size_t i = 0; i < kCandidates; ++i) candidates.push_back(below(kItems));
  }
  MetaProblem(const MetaProblem&) = delete;

  std::span<const thaw::Episode> meta_batch(std::size_t step) const {
    return {episodes.data() + step % kBatches * kBatch, kBatch};
  }
  const thaw::Episode& new_user() const { return episodes.front(); }

 private:
  std::int32_t below(std::int32_t n) { return static_cast<std::int32_t>(rng_.below(static_cast<std::uint32_t>(n))); }
  thaw::Episode::Part part(bool rating) {
    thaw::Episode::Part out;
    for (std::size_t i = 0; i < kRecords; ++i) {
      out.items.push_back(below(kItems));
      out.labels.push_back(rating ? static_cast<float>(1 + below(5)) : 1.0F);
      if (!rating) out.negatives.push_back(below(kItems));
    }
    return out;
  }
  void fill(thaw::Entities& side, std::int32_t count, const std::vector<Kind>& kinds) {
    for (std::int32_t e = 0; e < count; ++e) side.ids.add(std::to_string(e));
    for (const Kind& kind : kinds) {
      thaw::Attribute a;
      a.name = kind.name;
      a.declared_size = kind.size;
      for (std::int32_t e = 0; e < count; ++e) {
        std::vector<std::int32_t> values;
        const std::int32_t many = kind.fewest + below(kind.most - kind.fewest + 1);
        for (std::int32_t k = 0; k < many; ++k) values.push_back(below(kind.size));
        a.append(values);
      }
      side.attributes.push_back(std::move(a));
    }
  }

  thaw::Philox rng_;
};

}  // namespace bench
