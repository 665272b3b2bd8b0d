// Click histories: what each user had liked before each impression.
//
//   const std::vector<double> places = thaw::places_by_time(clicks, {.seed = 1});
//   const thaw::ClickHistories histories = thaw::click_histories(clicks, places, listed);
//   histories.latest(impression, clicks.users[impression], slots);     // oldest first, empty slots behind them are -1
//
// A place says when an impression was among those of its user; only likes with a smaller one are seen, so that nothing
// of the present or the future is. Only listed items appear: likes of new items are labels that nobody may know yet.
// Not histories of whole users: histories.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/clicks.hpp"
#include "thaw/data/histories.hpp"

namespace thaw::inline v0 {

struct ClickHistories {
  std::vector<std::int64_t> offsets{0};  // (users + 1)
  std::vector<std::int32_t> items;       // liked, user after user, oldest first
  std::vector<std::int32_t> seen;        // (impressions) how many of the user's likes came before

  // All likes before an impression.
  std::span<const std::int32_t> before(std::int32_t impression, std::int32_t user) const {
    return {items.data() + offsets[static_cast<std::size_t>(user)],
            static_cast<std::size_t>(seen[static_cast<std::size_t>(impression)])};
  }
  // The latest of them that fit.
  void latest(std::int32_t impression, std::int32_t user, std::span<std::int32_t> slots) const {
    std::span<const std::int32_t> liked = before(impression, user);
    if (liked.size() > slots.size()) liked = liked.last(slots.size());
    const auto behind = std::copy(liked.begin(), liked.end(), slots.begin());
    std::fill(behind, slots.end(), -1);
  }
};

// By time where the log has times, else a seeded random order. Impressions of one time do not see each other.
inline std::vector<double> places_by_time(const Clicks& clicks, const ClickOrderOptions& options = {}) {
  std::vector<double> places(clicks.items.size());
  const bool timed = options.use_times && !clicks.times.empty();
  const Key key = Key{options.seed}.fold(0x706c61636573u);
  for (std::size_t i = 0; i < places.size(); ++i)
    places[i] = timed ? static_cast<double>(clicks.times[i])
                      : static_cast<double>(detail::impression_key(key, clicks.users[i], clicks.items[i]) >> 11);
  return places;
}

// By the order of sequences, for data whose times are worse than a published order. An impression that its user's
// sequence leaves out gets a seeded random place in it, as any other would have: whether it is in there must tell
// nothing about its label.
inline std::vector<double> places_by_sequence(const Clicks& clicks, const Histories& sequences, std::uint64_t seed) {
  require(sequences.users() == clicks.user_count, "places_by_sequence: sequences of ", sequences.users(),
          " users for clicks of ", clicks.user_count);
  std::vector<std::vector<std::pair<std::int32_t, std::int32_t>>> place_of(static_cast<std::size_t>(clicks.user_count));
  for (std::int32_t user = 0; user < clicks.user_count; ++user) {
    auto& places = place_of[static_cast<std::size_t>(user)];
    for (const std::int32_t item : sequences.of(user).items)
      places.emplace_back(item, static_cast<std::int32_t>(places.size()));
    std::sort(places.begin(), places.end());
  }
  const Key key = Key{seed}.fold(0x706c61636573u);
  std::vector<double> places(clicks.items.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& list = place_of[static_cast<std::size_t>(clicks.users[i])];
    const auto at = std::lower_bound(list.begin(), list.end(), std::pair{clicks.items[i], std::int32_t{0}});
    const std::uint64_t drawn = detail::impression_key(key, clicks.users[i], clicks.items[i]) >> 11;
    places[i] = at != list.end() && at->first == clicks.items[i]
                    ? static_cast<double>(at->second)
                    : static_cast<double>(drawn) * 0x1.0p-53 * static_cast<double>(list.size() + 1) - 0.5;
  }
  return places;
}

// `listed` has an entry an item: whether it may appear in histories.
inline ClickHistories click_histories(const Clicks& clicks, std::span<const double> places,
                                      std::span<const std::uint8_t> listed) {
  require(places.size() == clicks.items.size() && listed.size() == static_cast<std::size_t>(clicks.item_count),
          "click_histories: ", places.size(), " places for ", clicks.items.size(), " impressions, ", listed.size(),
          " marks for ", clicks.item_count, " items");
  std::vector<std::int32_t> order(clicks.items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
  const auto user = [&](std::int32_t i) { return clicks.users[static_cast<std::size_t>(i)]; };
  const auto place = [&](std::int32_t i) { return places[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    if (user(a) != user(b)) return user(a) < user(b);
    return place(a) != place(b) ? place(a) < place(b) : a < b;
  });
  ClickHistories histories;
  histories.seen.resize(order.size());
  std::size_t at = 0;
  for (std::int32_t u = 0; u < clicks.user_count; ++u) {
    while (at < order.size() && user(order[at]) == u) {
      const auto seen = static_cast<std::int32_t>(static_cast<std::int64_t>(histories.items.size()) -
                                                  histories.offsets[static_cast<std::size_t>(u)]);
      const double now = place(order[at]);
      const std::size_t begin = at;
      for (; at < order.size() && user(order[at]) == u && place(order[at]) == now; ++at)
        histories.seen[static_cast<std::size_t>(order[at])] = seen;
      for (std::size_t i = begin; i < at; ++i) {
        const auto impression = static_cast<std::size_t>(order[i]);
        if (clicks.labels[impression] == 1.0f && listed[static_cast<std::size_t>(clicks.items[impression])] != 0)
          histories.items.push_back(clicks.items[impression]);
      }
    }
    histories.offsets.push_back(static_cast<std::int64_t>(histories.items.size()));
  }
  return histories;
}

}  // namespace thaw::inline v0
