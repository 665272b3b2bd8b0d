// Episodes from the published cold-start states of MovieLens-1M: one for each user with 13 to 100 records.
//
//   std::vector<thaw::Episode> warm = thaw::episodes_of_state(states.warm, {.seed = 1});
//
// Ten records of a user, drawn once at random, are the query; the rest, 3 to 90 records, the support. Ratings are
// predicted, so there are no negatives. A user's draw depends on the seed and on her number alone. Not the leak-free
// protocol: history_split.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/cold_start_states.hpp"
#include "thaw/data/episode.hpp"

namespace thaw::inline v0 {

struct StateEpisodeOptions {
  std::size_t fewest = 13;  // records of a user in the state
  std::size_t most = 100;
  std::size_t query = 10;
  std::uint64_t seed = 1;
};

// In the order of the state's users. Of a pair that the state lists twice both records stay, as published.
inline std::vector<Episode> episodes_of_state(const ColdStartState& state, const StateEpisodeOptions& options = {}) {
  require(options.query > 0 && options.fewest > options.query && options.most >= options.fewest,
          "episodes_of_state: users need more records than the query of ", options.query, " takes");
  std::vector<Episode> episodes;
  std::vector<std::size_t> order;
  for (std::size_t begin = 0, end = 0; begin < state.ratings.size(); begin = end) {
    const std::int32_t user = state.ratings[begin].user;
    while (end < state.ratings.size() && state.ratings[end].user == user) ++end;
    if (end - begin < options.fewest || end - begin > options.most) continue;
    order.clear();
    for (std::size_t i = begin; i < end; ++i) order.push_back(i);
    Philox rng(Key{options.seed}.fold(0x7374617465u).fold(static_cast<std::uint64_t>(user)));
    rng.shuffle(order);
    // Which records are asked is random; in both parts they keep the order of the file.
    const auto cut = order.begin() + static_cast<std::ptrdiff_t>(options.query);
    std::sort(order.begin(), cut);
    std::sort(cut, order.end());
    Episode& episode = episodes.emplace_back();
    episode.user = user;
    for (std::size_t i = 0; i < order.size(); ++i) {
      Episode::Part& part = i < options.query ? episode.query : episode.support;
      part.items.push_back(state.ratings[order[i]].item);
      part.labels.push_back(state.ratings[order[i]].value);
    }
  }
  return episodes;
}

}  // namespace thaw::inline v0
