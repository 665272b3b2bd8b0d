// Leak-free cold-start splits: who is cold, what may be seen of them, and what is scored.
//
//   thaw::ColdStartSplit split = thaw::split_cold_start(data, {.seed = 7});
//   train(split.train);
//   for (const thaw::Scenario& s : split.test) score(split.train_and_validation(), s.visible, s.hidden);
//
// Every rating of the data set is in exactly one of train, a scenario's visible or hidden list, or `unused`. No
// training rating touches a cold user or item. Not a split in time, and not leave-one-out.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/cold_start_states.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

// One way of being new. `visible` may enter the graph and the model's input; only `hidden` is scored.
struct Scenario {
  enum class Kind : std::uint8_t {
    user_cold,  // cold users x warm items: at most k visible ratings of each user
    item_cold,  // warm users x cold items: at most k visible ratings of each item
    both_cold,  // cold users x cold items: at most k visible ratings of each user and of each item
  };
  Kind kind = Kind::user_cold;
  std::vector<Rating> visible;
  std::vector<Rating> hidden;
  std::vector<std::int32_t> targets;  // users with hidden ratings, ascending
};

// What an entity is to a split.
enum class Role : std::uint8_t { warm, validation_cold, test_cold };

struct ColdStartSplit {
  std::vector<Rating> train;           // warm users x warm items
  std::array<Scenario, 3> validation;  // in the order of Scenario::Kind
  std::array<Scenario, 3> test;        // in the order of Scenario::Kind
  std::vector<Rating> unused;          // test-cold x validation-cold pairs, and repeats in a published split
  std::vector<Role> user_role;         // (users)
  std::vector<Role> item_role;         // (items)

  bool user_is_cold(std::int32_t user) const { return user_role[static_cast<std::size_t>(user)] != Role::warm; }
  bool item_is_cold(std::int32_t item) const { return item_role[static_cast<std::size_t>(item)] != Role::warm; }

  // Validation folded back: what a final model trains on, and what is known when a test scenario is scored. The test
  // scenarios are the same either way.
  std::vector<Rating> train_and_validation() const {
    std::vector<Rating> all = train;
    for (const Scenario& scenario : validation) {
      all.insert(all.end(), scenario.visible.begin(), scenario.visible.end());
      all.insert(all.end(), scenario.hidden.begin(), scenario.hidden.end());
    }
    return all;
  }
};

struct ColdStartOptions {
  double cold_users = 0.2;              // share of all users
  double cold_items = 0.2;              // share of all items
  double validation_users = 1.0 / 8.0;  // share of the warm users
  double validation_items = 1.0 / 8.0;  // share of the warm items
  std::int32_t visible = 3;             // most visible ratings of a cold entity
  std::uint64_t seed = 1;
  // One number an item (release year): the items with the highest numbers are cold, ties drawn at random. Empty:
  // random.
  std::span<const std::int32_t> item_order = {};
};

namespace detail {

// Draws which `share` of the entities with role warm get `role`; the highest in `order`, or any.
inline void draw_cold(std::vector<Role>& roles, double share, Role role, std::span<const std::int32_t> order,
                      Philox rng) {
  std::vector<std::int32_t> pool;
  for (std::size_t i = 0; i < roles.size(); ++i)
    if (roles[i] == Role::warm) pool.push_back(static_cast<std::int32_t>(i));
  rng.shuffle(pool);
  if (!order.empty())
    std::stable_sort(pool.begin(), pool.end(), [order](std::int32_t a, std::int32_t b) {
      return order[static_cast<std::size_t>(a)] > order[static_cast<std::size_t>(b)];
    });
  const auto count = static_cast<std::size_t>(share * static_cast<double>(pool.size()) + 0.5);
  for (std::size_t i = 0; i < (std::min)(count, pool.size()); ++i) roles[static_cast<std::size_t>(pool[i])] = role;
}

// Splits the ratings of one scenario. In random order a rating becomes visible as long as each cold entity it touches
// has fewer than k visible ones and keeps a hidden one.
inline Scenario make_scenario(Scenario::Kind kind, std::span<const Rating> ratings, std::size_t users,
                              std::size_t items, std::int32_t visible, Philox rng) {
  Scenario scenario;
  scenario.kind = kind;
  const bool user_cold = kind != Scenario::Kind::item_cold;
  const bool item_cold = kind != Scenario::Kind::user_cold;
  std::vector<std::int32_t> user_left(users, 0), item_left(items, 0);
  std::vector<std::int32_t> user_seen(users, 0), item_seen(items, 0);
  for (const Rating& r : ratings) {
    ++user_left[static_cast<std::size_t>(r.user)];
    ++item_left[static_cast<std::size_t>(r.item)];
  }
  std::vector<std::size_t> order(ratings.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  rng.shuffle(order);
  std::vector<std::uint8_t> is_visible(ratings.size(), 0);
  for (const std::size_t i : order) {
    const auto user = static_cast<std::size_t>(ratings[i].user);
    const auto item = static_cast<std::size_t>(ratings[i].item);
    if (user_cold && (user_seen[user] >= visible || user_left[user] <= 1)) continue;
    if (item_cold && (item_seen[item] >= visible || item_left[item] <= 1)) continue;
    is_visible[i] = 1;
    ++user_seen[user], --user_left[user];
    ++item_seen[item], --item_left[item];
  }
  for (std::size_t i = 0; i < ratings.size(); ++i)
    (is_visible[i] != 0 ? scenario.visible : scenario.hidden).push_back(ratings[i]);
  std::vector<std::uint8_t> is_target(users, 0);
  for (const Rating& r : scenario.hidden) is_target[static_cast<std::size_t>(r.user)] = 1;
  for (std::size_t u = 0; u < users; ++u)
    if (is_target[u] != 0) scenario.targets.push_back(static_cast<std::int32_t>(u));
  return scenario;
}

// Streams of the split's random decisions: one each, so that a change to one option leaves the other draws alone.
enum class SplitStream : std::uint64_t {
  test_users,
  test_items,
  validation_users,
  validation_items,
  test_edges,
  validation_edges
};

inline Key stream_of(std::uint64_t seed, SplitStream stream) {
  return Key{seed}.fold(static_cast<std::uint64_t>(stream));
}

using EdgeLists = std::array<std::vector<Rating>, 3>;  // in the order of Scenario::Kind

inline void make_scenarios(ColdStartSplit& split, const EdgeLists& validation, const EdgeLists& test,
                           std::int32_t visible, std::uint64_t seed) {
  const std::size_t users = split.user_role.size(), items = split.item_role.size();
  for (std::size_t kind = 0; kind < 3; ++kind) {
    split.validation[kind] = make_scenario(static_cast<Scenario::Kind>(kind), validation[kind], users, items, visible,
                                           Philox(stream_of(seed, SplitStream::validation_edges).fold(kind)));
    split.test[kind] = make_scenario(static_cast<Scenario::Kind>(kind), test[kind], users, items, visible,
                                     Philox(stream_of(seed, SplitStream::test_edges).fold(kind)));
  }
}

}  // namespace detail

// A split of any data set. The same data, options and seed give the same split. Shares outside 0..1, a negative
// `visible` and an item_order of another length are programmer errors.
inline ColdStartSplit split_cold_start(const Dataset& data, const ColdStartOptions& options = {}) {
  const auto is_share = [](double share) { return share >= 0 && share <= 1; };
  require(is_share(options.cold_users) && is_share(options.cold_items) && is_share(options.validation_users) &&
              is_share(options.validation_items) && options.visible >= 0,
          "split_cold_start: shares must be between 0 and 1 and visible at least 0");
  require(options.item_order.empty() || options.item_order.size() == static_cast<std::size_t>(data.items.size()),
          "split_cold_start: item_order has ", options.item_order.size(), " numbers for ", data.items.size(), " items");
  using Stream = detail::SplitStream;
  ColdStartSplit split;
  split.user_role.assign(static_cast<std::size_t>(data.users.size()), Role::warm);
  split.item_role.assign(static_cast<std::size_t>(data.items.size()), Role::warm);
  const auto draw = [&](std::vector<Role>& roles, double share, Role role, Stream stream, bool ordered) {
    detail::draw_cold(roles, share, role, ordered ? options.item_order : std::span<const std::int32_t>(),
                      Philox(detail::stream_of(options.seed, stream)));
  };
  draw(split.user_role, options.cold_users, Role::test_cold, Stream::test_users, false);
  draw(split.item_role, options.cold_items, Role::test_cold, Stream::test_items, true);
  draw(split.user_role, options.validation_users, Role::validation_cold, Stream::validation_users, false);
  draw(split.item_role, options.validation_items, Role::validation_cold, Stream::validation_items, true);

  detail::EdgeLists validation, test;
  for (const Rating& r : data.ratings) {
    const Role user = split.user_role[static_cast<std::size_t>(r.user)];
    const Role item = split.item_role[static_cast<std::size_t>(r.item)];
    const bool both = user != Role::warm && item != Role::warm;
    if (user == Role::warm && item == Role::warm) {
      split.train.push_back(r);
    } else if (both && user != item) {
      split.unused.push_back(r);
    } else {
      const Role role = user != Role::warm ? user : item;
      const std::size_t kind = both ? 2 : user != Role::warm ? 0 : 1;
      (role == Role::test_cold ? test : validation)[kind].push_back(r);
    }
  }
  detail::make_scenarios(split, validation, test, options.visible, options.seed);
  return split;
}

struct StatesSplitOptions {
  std::int32_t visible = 3;
  std::uint64_t seed = 1;
  std::size_t validation_every = 8;  // users at positions 0, 8, 16, ... of the warm state's file validate
};

// The published split in the same form. Validation is user-cold only: the other two validation scenarios are empty.
// Test item-cold users include the validation users, whose warm ratings are in train_and_validation().
inline ColdStartSplit split_from_states(const ColdStartStates& states, const Dataset& data,
                                        const StatesSplitOptions& options = {}) {
  require(options.validation_every > 0 && options.visible >= 0,
          "split_from_states: validation_every must be positive and visible at least 0");
  ColdStartSplit split;
  split.user_role.assign(static_cast<std::size_t>(data.users.size()), Role::warm);
  split.item_role.assign(static_cast<std::size_t>(data.items.size()), Role::warm);
  for (std::size_t i = 0; i < states.warm.users.size(); i += options.validation_every)
    split.user_role[static_cast<std::size_t>(states.warm.users[i])] = Role::validation_cold;
  for (const ColdStartState* state : {&states.user_cold, &states.both_cold})
    for (const std::int32_t user : state->users) split.user_role[static_cast<std::size_t>(user)] = Role::test_cold;
  for (const ColdStartState* state : {&states.item_cold, &states.both_cold})
    for (const Rating& r : state->ratings) split.item_role[static_cast<std::size_t>(r.item)] = Role::test_cold;

  detail::EdgeLists validation, test;
  // A pair that is listed twice counts once, the first time: the second would be a copy of what is visible.
  const auto once = [&split](const ColdStartState& state, auto&& take) {
    std::vector<std::pair<std::int64_t, std::size_t>> keys;
    for (std::size_t i = 0; i < state.ratings.size(); ++i)
      keys.emplace_back((std::int64_t{state.ratings[i].user} << 32) | state.ratings[i].item, i);
    std::sort(keys.begin(), keys.end());
    std::vector<std::uint8_t> repeated(state.ratings.size(), 0);
    for (std::size_t i = 1; i < keys.size(); ++i)
      if (keys[i].first == keys[i - 1].first) repeated[keys[i].second] = 1;
    for (std::size_t i = 0; i < state.ratings.size(); ++i)
      repeated[i] != 0 ? split.unused.push_back(state.ratings[i]) : take(state.ratings[i]);
  };
  once(states.warm, [&](const Rating& r) { (split.user_is_cold(r.user) ? validation[0] : split.train).push_back(r); });
  once(states.user_cold, [&](const Rating& r) { test[0].push_back(r); });
  once(states.item_cold, [&](const Rating& r) { test[1].push_back(r); });
  once(states.both_cold, [&](const Rating& r) { test[2].push_back(r); });
  detail::make_scenarios(split, validation, test, options.visible, options.seed);
  return split;
}

}  // namespace thaw::inline v0
