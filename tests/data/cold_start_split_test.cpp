#include "thaw/data/cold_start_split.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "thaw/data/generator.hpp"

namespace {

using Edge = std::tuple<std::int32_t, std::int32_t, float>;
using Edges = std::multiset<Edge>;

void add_to(Edges& edges, const std::vector<thaw::Rating>& ratings) {
  for (const thaw::Rating& r : ratings) edges.emplace(r.user, r.item, r.value);
}

thaw::Dataset small_world(std::uint64_t seed, std::int32_t users = 60, std::int32_t items = 40) {
  thaw::GeneratorOptions options;
  options.users = users;
  options.items = items;
  options.ratings = std::int64_t{users} * 9;
  options.fewest = 1;
  options.seed = seed;
  return thaw::Generator(options).generate();
}

// What every split promises, for one scenario. `role` is that of its cold entities.
void check_scenario(const thaw::ColdStartSplit& split, const thaw::Scenario& scenario, thaw::Role role,
                    std::int32_t visible) {
  using Kind = thaw::Scenario::Kind;
  const bool user_cold = scenario.kind != Kind::item_cold, item_cold = scenario.kind != Kind::user_cold;
  std::map<std::int32_t, int> seen_of_user, seen_of_item;
  std::set<std::pair<std::int32_t, std::int32_t>> seen;
  std::set<std::int32_t> targets;
  bool roles_fit = true, apart = true;
  const auto check_roles = [&](const thaw::Rating& r) {
    const thaw::Role user = split.user_role[static_cast<std::size_t>(r.user)];
    const thaw::Role item = split.item_role[static_cast<std::size_t>(r.item)];
    roles_fit =
        roles_fit && user == (user_cold ? role : thaw::Role::warm) && item == (item_cold ? role : thaw::Role::warm);
  };
  for (const thaw::Rating& r : scenario.visible) {
    check_roles(r);
    seen.emplace(r.user, r.item);
    ++seen_of_user[r.user], ++seen_of_item[r.item];
  }
  for (const thaw::Rating& r : scenario.hidden) {
    check_roles(r);
    apart = apart && seen.count({r.user, r.item}) == 0;
    targets.insert(r.user);
  }
  CHECK(roles_fit);
  CHECK(apart);
  CHECK(scenario.targets == std::vector<std::int32_t>(targets.begin(), targets.end()));
  if (user_cold)
    for (const auto& [user, count] : seen_of_user) CHECK(count <= visible);
  if (item_cold)
    for (const auto& [item, count] : seen_of_item) CHECK(count <= visible);
}

void check_split(const thaw::ColdStartSplit& split, const thaw::Dataset& data, std::int32_t visible) {
  Edges all, parts;
  add_to(all, data.ratings);
  add_to(parts, split.train);
  add_to(parts, split.unused);
  for (std::size_t k = 0; k < 3; ++k) {
    for (const auto* scenario : {&split.validation[k], &split.test[k]}) {
      CHECK(scenario->kind == static_cast<thaw::Scenario::Kind>(k));
      add_to(parts, scenario->visible);
      add_to(parts, scenario->hidden);
    }
    check_scenario(split, split.validation[k], thaw::Role::validation_cold, visible);
    check_scenario(split, split.test[k], thaw::Role::test_cold, visible);
  }
  CHECK(parts == all);
  bool warm = true;
  for (const thaw::Rating& r : split.train) warm = warm && !split.user_is_cold(r.user) && !split.item_is_cold(r.item);
  CHECK(warm);
  // Folded back, training still touches nothing that a test scenario calls cold.
  for (const thaw::Rating& r : split.train_and_validation())
    warm = warm && split.user_role[static_cast<std::size_t>(r.user)] != thaw::Role::test_cold &&
           split.item_role[static_cast<std::size_t>(r.item)] != thaw::Role::test_cold;
  CHECK(warm);
}

bool same(const std::vector<thaw::Rating>& a, const std::vector<thaw::Rating>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const thaw::Rating& x, const thaw::Rating& y) {
    return x.user == y.user && x.item == y.item && x.value == y.value;
  });
}

}  // namespace

TEST_CASE("no leak, nothing lost: for any data, seed, share and number of visible ratings") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const thaw::Dataset data = small_world(seed);
    thaw::ColdStartOptions options;
    options.seed = seed * 31;
    options.cold_users = 0.1 * static_cast<double>(seed % 6);
    options.cold_items = 0.1 * static_cast<double>(seed % 4);
    options.visible = static_cast<std::int32_t>(seed % 5);
    check_split(thaw::split_cold_start(data, options), data, options.visible);
  }
}

TEST_CASE("shares are exact, one cold side or both may be empty or everything") {
  const thaw::Dataset data = small_world(3, 100, 50);
  thaw::ColdStartOptions options;
  options.cold_users = 0.3;
  options.cold_items = 0.2;
  const thaw::ColdStartSplit split = thaw::split_cold_start(data, options);
  CHECK(std::count(split.user_role.begin(), split.user_role.end(), thaw::Role::test_cold) == 30);
  CHECK(std::count(split.user_role.begin(), split.user_role.end(), thaw::Role::validation_cold) == 9);
  CHECK(std::count(split.item_role.begin(), split.item_role.end(), thaw::Role::test_cold) == 10);
  CHECK(std::count(split.item_role.begin(), split.item_role.end(), thaw::Role::validation_cold) == 5);
  for (const double users : {0.0, 1.0})
    for (const double items : {0.0, 1.0}) {
      options.cold_users = users, options.cold_items = items;
      options.validation_users = options.validation_items = 0;
      const thaw::ColdStartSplit edge = thaw::split_cold_start(data, options);
      check_split(edge, data, options.visible);
      const std::size_t expected = users == 0 && items == 0 ? data.ratings.size() : 0;
      CHECK(edge.train.size() == expected);
    }
}

TEST_CASE("the same seed gives the same split, another seed another") {
  const thaw::Dataset data = small_world(5);
  const thaw::ColdStartSplit a = thaw::split_cold_start(data, {.seed = 9});
  const thaw::ColdStartSplit b = thaw::split_cold_start(data, {.seed = 9});
  const thaw::ColdStartSplit c = thaw::split_cold_start(data, {.seed = 10});
  CHECK(same(a.train, b.train));
  CHECK(!same(a.train, c.train));
  for (std::size_t k = 0; k < 3; ++k) CHECK(same(a.test[k].visible, b.test[k].visible));
  // More visible ratings change nobody's role.
  const thaw::ColdStartSplit d = thaw::split_cold_start(data, {.visible = 1, .seed = 9});
  CHECK(d.user_role == a.user_role);
  CHECK(d.item_role == a.item_role);
}

TEST_CASE("every rated cold user keeps a hidden rating and sees as many as the rule allows") {
  const thaw::Dataset data = small_world(8);
  const thaw::ColdStartSplit split = thaw::split_cold_start(data, {.visible = 3, .seed = 2});
  const thaw::Scenario& scenario = split.test[0];
  std::map<std::int32_t, int> visible, total;
  for (const thaw::Rating& r : scenario.visible) ++visible[r.user], ++total[r.user];
  for (const thaw::Rating& r : scenario.hidden) ++total[r.user];
  CHECK(total.size() == scenario.targets.size());
  for (const auto& [user, count] : total) CHECK(visible[user] == (std::min)(3, count - 1));
}

TEST_CASE("an item order makes the newest items cold, validation the newest of the rest") {
  const thaw::Dataset data = small_world(4, 60, 40);
  std::vector<std::int32_t> year;
  for (int i = 0; i < 40; ++i) year.push_back(1990 + (i * 7) % 40);
  const thaw::ColdStartSplit split = thaw::split_cold_start(data, {.item_order = year});
  for (std::size_t i = 0; i < 40; ++i) {
    const thaw::Role expected = year[i] >= 1990 + 32   ? thaw::Role::test_cold
                                : year[i] >= 1990 + 28 ? thaw::Role::validation_cold
                                                       : thaw::Role::warm;
    CHECK(split.item_role[i] == expected);
  }
}

TEST_CASE("published states become the same structure; repeats are put aside") {
  const thaw::Dataset data = small_world(6, 12, 10);
  thaw::ColdStartStates states;
  for (std::int32_t user = 0; user < 12; ++user) {
    const bool cold_user = user >= 9;
    thaw::ColdStartState& warm_items = cold_user ? states.user_cold : states.warm;
    thaw::ColdStartState& cold_items = cold_user ? states.both_cold : states.item_cold;
    warm_items.users.push_back(user);
    cold_items.users.push_back(user);
    for (std::int32_t item = 0; item < 10; ++item)
      (item >= 7 ? cold_items : warm_items).ratings.push_back({user, item, 3});
  }
  states.user_cold.ratings.push_back({10, 2, 4});
  const thaw::ColdStartSplit split = thaw::split_from_states(states, data, {.visible = 2});
  CHECK(split.unused.size() == 1);
  CHECK(split.unused[0].value == 4.0f);
  CHECK(split.user_role[0] == thaw::Role::validation_cold);
  CHECK(split.user_role[1] == thaw::Role::warm);
  CHECK(split.user_role[8] == thaw::Role::validation_cold);
  CHECK(split.user_role[9] == thaw::Role::test_cold);
  CHECK(split.item_role[6] == thaw::Role::warm);
  CHECK(split.item_role[7] == thaw::Role::test_cold);
  CHECK(split.train.size() == 7 * 7);
  CHECK(split.validation[0].targets == std::vector<std::int32_t>{0, 8});
  CHECK(split.test[0].visible.size() == 3 * 2);
  CHECK(split.test[0].hidden.size() == 3 * 5);
  CHECK(split.test[1].visible.size() == 3 * 2);
  CHECK(split.test[1].hidden.size() == 3 * 7);
  CHECK(split.test[2].visible.size() + split.test[2].hidden.size() == 9);
  check_scenario(split, split.test[0], thaw::Role::test_cold, 2);
  check_scenario(split, split.test[2], thaw::Role::test_cold, 2);
}
