// RandomPredictor: a uniform random rating for every (user, item). The floor of every ranking metric.
//
//   thaw::RandomPredictor random({.seed = 1, .lowest = 1, .highest = 5});
//   random.score(user, items, out);
//
// A hash of seed, user and item: asking twice, in another order or for other items gives the same numbers. Metrics over
// lists of rated items have a high floor (NDCG@5 near 0.77 on MovieLens), so print this row next to every other.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

class RandomPredictor {
 public:
  static constexpr bool kPredictsRatings = false;  // the numbers are on the scale, but errors of them mean nothing

  struct Options {
    std::uint64_t seed = 1;
    float lowest = 1;
    float highest = 5;
  };
  explicit RandomPredictor(const Options& options) : options_(options) {}

  // out[i] for items[i].
  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "RandomPredictor: room for ", out.size(), " of ", items.size(), " items");
    const Key of_user = Key{options_.seed}.fold(static_cast<std::uint32_t>(user));
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::uint64_t bits = of_user.fold(static_cast<std::uint32_t>(items[i])).bits;
      const float share = static_cast<float>(bits >> 40) * 0x1.0p-24f;  // [0, 1)
      out[i] = options_.lowest + (options_.highest - options_.lowest) * share;
    }
  }

 private:
  Options options_;
};

}  // namespace thaw::inline v0
