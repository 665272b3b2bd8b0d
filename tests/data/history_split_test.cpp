#include "thaw/data/history_split.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <set>
#include <thread>

#include "tests/temporary_folder.hpp"
#include "thaw/data/generator.hpp"
#include "thaw/data/movielens.hpp"

using thaw::ItemSet;
using thaw::UserGroup;
using thaw_test::contains;

namespace {

// A planted data set with its histories and split.
struct Fixture {
  thaw::Dataset data;
  thaw::Histories histories;
  thaw::HistorySplit split;
  thaw::Csr records;

  explicit Fixture(std::uint64_t seed = 1, double cold_items = 0.3) {
    data = thaw::Generator({.users = 300, .items = 200, .ratings = 9000, .seed = 3}).generate();
    records = thaw::Csr::from_ratings(data.ratings, data.users.size(), thaw::Csr::Side::user);
    histories = thaw::make_histories(data, {.seed = seed}).value();
    split = thaw::split_histories(histories, data.items.size(), {.cold_items = cold_items, .seed = seed});
  }
};

using Items = std::vector<std::int32_t>;

bool same_part(const thaw::Episode::Part& a, const thaw::Episode::Part& b) {
  return a.items == b.items && a.labels == b.labels && a.negatives == b.negatives;
}
bool same(const thaw::Episode& a, const thaw::Episode& b) {
  return a.user == b.user && same_part(a.support, b.support) && same_part(a.query, b.query);
}

std::vector<thaw::Episode> drawn(const thaw::EpisodeSampler& sampler, std::uint64_t epoch) {
  std::vector<thaw::Episode> episodes;
  for (const std::int32_t user : sampler.training_users()) sampler.draw(epoch, user, episodes.emplace_back());
  return episodes;
}

// What must hold of every episode: its records are the user's, with her ratings; its negatives are not, in neither
// part; nothing occurs twice; everything is of the item set.
void check_episode(const Fixture& f, const thaw::Episode& e, ItemSet set) {
  std::set<std::int32_t> seen;
  const auto& pool = f.split.items(set);
  for (const thaw::Episode::Part* part : {&e.support, &e.query}) {
    CHECK(part->items.size() == part->labels.size());
    for (std::size_t i = 0; i < part->items.size(); ++i) {
      const float* rating = f.records.find(e.user, part->items[i]);
      CHECK(rating != nullptr);
      if (rating != nullptr) CHECK(*rating == part->labels[i]);
      CHECK(seen.insert(part->items[i]).second);
      CHECK(std::binary_search(pool.begin(), pool.end(), part->items[i]));
    }
    for (const std::int32_t item : part->negatives) {
      CHECK(f.records.find(e.user, item) == nullptr);
      CHECK(seen.insert(item).second);
      CHECK(std::binary_search(pool.begin(), pool.end(), item));
    }
  }
}

}  // namespace

TEST_CASE("the split holds 30 % of the items out and draws users 60/20/20") {
  const Fixture f;
  CHECK(f.split.cold_items.size() == 60);
  CHECK(f.split.training_users.size() == 180);
  CHECK(f.split.validation_users.size() == 60);
  CHECK(f.split.test_users.size() == 60);
  std::set<std::int32_t> everyone;
  for (const UserGroup group : {UserGroup::training, UserGroup::validation, UserGroup::test})
    for (const std::int32_t user : f.split.users(group)) {
      CHECK(everyone.insert(user).second);
      CHECK(f.split.group_of[static_cast<std::size_t>(user)] == group);
    }
  CHECK(everyone.size() == 300);
}

TEST_CASE("training holds no test user, no validation user and no held-out item") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const Fixture f(seed);
    const std::set<std::int32_t> cold(f.split.cold_items.begin(), f.split.cold_items.end());
    std::size_t expected = 0;
    for (const thaw::Rating& r : f.data.ratings)
      if (f.split.group_of[static_cast<std::size_t>(r.user)] == UserGroup::training && cold.count(r.item) == 0)
        ++expected;
    CHECK(f.split.train.size() == expected);
    std::set<std::int32_t> known;
    for (const thaw::Rating& r : f.split.train) {
      CHECK(f.split.group_of[static_cast<std::size_t>(r.user)] == UserGroup::training);
      CHECK(cold.count(r.item) == 0);
      known.insert(r.item);
    }
    CHECK(Items(known.begin(), known.end()) == f.split.known_items);
  }
}

TEST_CASE("training episodes: records and negatives of training users on known items") {
  const Fixture f;
  const thaw::EpisodeSampler sampler(f.data, f.histories, f.split, {.support = 6, .query = 4});
  for (const thaw::Episode& e : drawn(sampler, 0)) {
    CHECK(f.split.group_of[static_cast<std::size_t>(e.user)] == UserGroup::training);
    check_episode(f, e, ItemSet::known);
    const std::size_t records = sampler.history(e.user, ItemSet::known).items.size();
    if (records >= 10) {
      CHECK(e.support.items.size() == 6);
      CHECK(e.query.items.size() == 4);
    } else {
      CHECK(e.support.items.size() + e.query.items.size() == records);
      CHECK(e.query.items.size() >= 1);
      CHECK(e.support.items.size() >= 1);
    }
    CHECK(e.support.negatives.size() == e.support.items.size());
    CHECK(e.query.negatives.size() == e.query.items.size());
  }
  thaw::Episode e;
  for (const UserGroup group : {UserGroup::validation, UserGroup::test})
    for (const std::int32_t user : f.split.users(group)) CHECK_FALSE(sampler.draw(0, user, e));
  CHECK(e.support.items.empty());
}

TEST_CASE("held-out episodes: first records support, the next are asked; known and cold never mix") {
  const Fixture f;
  for (const ItemSet set : {ItemSet::known, ItemSet::cold})
    for (const UserGroup group : {UserGroup::validation, UserGroup::test})
      for (const std::int32_t support : {3, 5}) {
        const thaw::EpisodeSampler sampler(f.data, f.histories, f.split, {.support = support, .query = 4});
        const auto episodes = sampler.held_out(group, set);
        CHECK(episodes.ok());
        if (!episodes) return;
        for (const thaw::Episode& e : episodes.value()) {
          CHECK(f.split.group_of[static_cast<std::size_t>(e.user)] == group);
          check_episode(f, e, set);
          const auto history = sampler.history(e.user, set).items;
          Items both = e.support.items;
          both.insert(both.end(), e.query.items.begin(), e.query.items.end());
          CHECK(e.support.items.size() == static_cast<std::size_t>(support));
          CHECK(both.size() == (std::min)(history.size(), static_cast<std::size_t>(support) + 4));
          CHECK(std::equal(both.begin(), both.end(), history.begin()));
        }
      }
}

TEST_CASE("with times, support is earlier than query, in training too") {
  Fixture f;
  f.data.times.clear();
  for (std::size_t i = 0; i < f.data.ratings.size(); ++i)
    f.data.times.push_back(static_cast<std::int64_t>((i * 7919) % 100003));
  f.histories = thaw::make_histories(f.data).value();
  f.split = thaw::split_histories(f.histories, f.data.items.size());
  std::vector<std::int64_t> time_of(300 * 200, 0);
  for (std::size_t i = 0; i < f.data.ratings.size(); ++i)
    time_of[static_cast<std::size_t>(f.data.ratings[i].user * 200 + f.data.ratings[i].item)] = f.data.times[i];
  for (const bool contiguous : {false, true}) {
    const thaw::EpisodeSampler sampler(f.data, f.histories, f.split,
                                       {.support = 5, .query = 5, .contiguous = contiguous});
    auto episodes = drawn(sampler, 4);
    const auto tests = sampler.held_out(UserGroup::test, ItemSet::known);
    CHECK(tests.ok());
    if (!tests) return;
    episodes.insert(episodes.end(), tests.value().begin(), tests.value().end());
    for (const thaw::Episode& e : episodes) {
      Items both = e.support.items;
      both.insert(both.end(), e.query.items.begin(), e.query.items.end());
      for (std::size_t i = 1; i < both.size(); ++i)
        CHECK(time_of[static_cast<std::size_t>(e.user * 200 + both[i - 1])] <=
              time_of[static_cast<std::size_t>(e.user * 200 + both[i])]);
      if (!contiguous) continue;
      const auto history = sampler.history(e.user, ItemSet::known).items;
      CHECK(std::search(history.begin(), history.end(), both.begin(), both.end()) != history.end());
    }
  }
}

TEST_CASE("a share of the training episodes begins where the history in time begins") {
  Fixture f;
  f.data.times.clear();
  for (std::size_t i = 0; i < f.data.ratings.size(); ++i)
    f.data.times.push_back(static_cast<std::int64_t>((i * 7919) % 100003));
  f.histories = thaw::make_histories(f.data).value();
  f.split = thaw::split_histories(f.histories, f.data.items.size());
  const auto share = [&](double wanted) {
    const thaw::EpisodeSampler sampler(f.data, f.histories, f.split,
                                       {.support = 2, .query = 2, .contiguous = true, .from_start = wanted});
    double first = 0, all = 0;
    for (std::uint64_t epoch = 0; epoch < 8; ++epoch)
      for (const thaw::Episode& e : drawn(sampler, epoch)) {
        const auto history = sampler.history(e.user, ItemSet::known).items;
        if (history.size() < 10) continue;  // begins there by chance often enough
        ++all;
        first += e.support.items[0] == history[0] ? 1 : 0;
      }
    CHECK(all > 500);
    return first / all;
  };
  const double without = share(0);
  CHECK(without < 0.15);
  CHECK(share(1) == 1);
  CHECK(share(0.5) > 0.4 + without / 2);
  CHECK(share(0.5) < 0.6 + without / 2);
}

TEST_CASE("training records are drawn uniformly") {
  // Ten records, four drawn: each is drawn 0.4 of the time; 4,000 epochs put it within 0.04 (five standard deviations).
  thaw::Dataset data;
  data.users.ids.add("u");
  for (int i = 0; i < 20; ++i) data.items.ids.add(std::to_string(i));
  for (std::int32_t i = 0; i < 10; ++i) data.ratings.push_back({0, i, 1});
  for (int i = 0; i < 10; ++i) data.times.push_back(i);
  const thaw::Histories histories = thaw::make_histories(data).value();
  thaw::HistorySplit split = thaw::split_histories(histories, 20, {.training = 1, .validation = 0, .cold_items = 0});
  for (std::int32_t i = 10; i < 20; ++i) split.known_items.push_back(i);  // so that there are negatives
  const thaw::EpisodeSampler sampler(data, histories, split, {.support = 2, .query = 2, .negatives = 0.5});
  std::array<int, 20> records{}, negatives{}, query{};
  thaw::Episode e;
  for (std::uint64_t epoch = 0; epoch < 4000; ++epoch) {
    CHECK(sampler.draw(epoch, 0, e));
    for (const std::int32_t i : e.support.items) ++records[static_cast<std::size_t>(i)];
    for (const std::int32_t i : e.query.items)
      ++records[static_cast<std::size_t>(i)], ++query[static_cast<std::size_t>(i)];
    for (const auto* part : {&e.support, &e.query})
      for (const std::int32_t i : part->negatives) ++negatives[static_cast<std::size_t>(i)];
  }
  for (std::size_t i = 0; i < 10; ++i) CHECK(std::abs(records[i] / 4000.0 - 0.4) < 0.04);
  for (std::size_t i = 10; i < 20; ++i) CHECK(std::abs(negatives[i] / 4000.0 - 0.2) < 0.035);
  CHECK(query[0] == 0);  // the two oldest of four are never asked
  CHECK(query[1] == 0);
}

TEST_CASE("the same seed gives the same split and episodes, another seed or epoch others") {
  const Fixture a(1), b(1), c(2);
  CHECK(a.split.test_users == b.split.test_users);
  CHECK(a.split.cold_items == b.split.cold_items);
  CHECK(a.split.test_users != c.split.test_users);
  CHECK(a.split.cold_items != c.split.cold_items);
  const thaw::EpisodeSampler first(a.data, a.histories, a.split), second(b.data, b.histories, b.split);
  const auto one = drawn(first, 7), two = drawn(second, 7), other = drawn(first, 8);
  std::size_t equal = 0, changed = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    equal += same(one[i], two[i]) ? 1 : 0;
    changed += same(one[i], other[i]) ? 0 : 1;
  }
  CHECK(equal == one.size());
  CHECK(changed == one.size());
}

TEST_CASE("threads draw the same episodes, in any order and into used memory") {
  const Fixture f;
  const thaw::EpisodeSampler sampler(f.data, f.histories, f.split);
  const auto alone = drawn(sampler, 2);
  const auto users = sampler.training_users();
  std::vector<thaw::Episode> together(users.size(), alone.back());
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = users.size(); i-- > 0;)
        if (i % 3 == t) sampler.draw(2, users[i], together[i]);
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < users.size(); ++i) CHECK(same(alone[i], together[i]));
}

TEST_CASE("users with no record, one record, every item; nobody to test") {
  thaw::Dataset data;
  for (const char* id : {"none", "one", "all", "two"}) data.users.ids.add(id);
  for (int i = 0; i < 6; ++i) data.items.ids.add(std::to_string(i));
  data.ratings.push_back({1, 3, 4});
  for (std::int32_t i = 0; i < 6; ++i) data.ratings.push_back({2, i, 5});
  data.ratings.push_back({3, 0, 5});
  data.ratings.push_back({3, 1, 5});
  data.ratings.push_back({3, 0, 2});  // again
  const thaw::Histories histories = thaw::make_histories(data).value();
  CHECK(histories.repeats == 1);
  const thaw::HistorySplit split =
      thaw::split_histories(histories, 6, {.training = 1, .validation = 0, .cold_items = 0});
  CHECK(split.group_of[0] == UserGroup::none);
  CHECK(split.training_users == Items{1, 2, 3});
  const thaw::EpisodeSampler sampler(data, histories, split, {.support = 3, .query = 3});
  CHECK(Items(sampler.training_users().begin(), sampler.training_users().end()) == Items{2, 3});
  thaw::Episode e;
  CHECK_FALSE(sampler.draw(0, 0, e));
  CHECK_FALSE(sampler.draw(0, 1, e));
  CHECK(sampler.draw(0, 2, e));  // every item is hers: there is no negative
  CHECK(e.support.items.size() == 3);
  CHECK(e.query.items.size() == 3);
  CHECK((e.support.negatives.empty() && e.query.negatives.empty()));
  CHECK(sampler.draw(0, 3, e));
  CHECK(e.support.items.size() == 1);
  CHECK(e.query.items.size() == 1);
  CHECK(e.support.items[0] != e.query.items[0]);
  const auto tests = sampler.held_out(UserGroup::test, ItemSet::known);
  CHECK_FALSE(tests.ok());
  if (!tests) CHECK(contains(tests.fault().text, "nobody to test: none of 0 test users has 4 records on items known"));
  const auto cold = sampler.held_out(UserGroup::validation, ItemSet::cold);
  if (!cold) CHECK(contains(cold.fault().text, "none of 0 validation users has 4 records on held-out items"));
}

TEST_CASE("MovieLens-1M: counts of the recommended cold-item protocol") {
  const char* root = std::getenv("THAW_DATA");
  if (root == nullptr || !thaw::file_exists(thaw::join_path(root, "ml-1m/users.dat"))) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m");
    return;
  }
  thaw::MovielensOptions options;
  options.use_extra = false;
  const auto data = thaw::read_movielens_1m(thaw::join_path(root, "ml-1m"), options);
  CHECK(data.ok());
  if (!data) return;
  const auto histories = thaw::make_histories(data.value(), {.use_times = false});
  CHECK(histories.ok());
  if (!histories) return;
  for (const std::uint64_t seed : {1u, 2u}) {
    const thaw::HistorySplit split =
        thaw::split_histories(histories.value(), data.value().items.size(), {.seed = seed});
    CHECK(split.training_users.size() == 3624);
    CHECK(split.validation_users.size() == 1208);
    CHECK(split.test_users.size() == 1208);
    CHECK(split.cold_items.size() == 1112);  // 30 % of 3,706
    const thaw::EpisodeSampler sampler(data.value(), histories.value(), split, {.fewest_query = 10});
    std::size_t twenty_warm = 0;
    for (const std::int32_t user : split.training_users)
      twenty_warm += sampler.history(user, ItemSet::known).items.size() >= 20 ? 1 : 0;
    const auto cold = sampler.held_out(UserGroup::test, ItemSet::cold);
    CHECK(cold.ok());
    if (!cold) return;
    // Reference: 778 and 742 test users, 3,269 and 3,250 training users, by another program's draws.
    CHECK(cold.value().size() > 690);
    CHECK(cold.value().size() < 830);
    CHECK(twenty_warm > 3190);
    CHECK(twenty_warm < 3330);
    MESSAGE("seed " << seed << ": " << cold.value().size() << " test users with 20 cold records, " << twenty_warm
                    << " training users with 20 warm ones");
  }
}
