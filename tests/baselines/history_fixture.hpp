// What the tests of history scorers share: a matrix small enough to work out by hand, a larger one at random, and the
// same one with users and items renumbered.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "thaw/baselines/history_scorer.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw_test {

// Items: 0 1 2 3 4. Users: {0,1,3}, {0,2,3}, {1,2,4}, {1,3}. The pair (0, 1) is listed twice, which must not count.
inline thaw::RatingGraph four_users() {
  const std::vector<thaw::Rating> ratings{{0, 0, 5}, {0, 1, 4}, {0, 3, 1}, {1, 0, 2}, {1, 2, 3}, {1, 3, 5},
                                          {2, 1, 1}, {2, 2, 1}, {2, 4, 1}, {3, 1, 4}, {3, 3, 2}, {0, 1, 3}};
  return thaw::RatingGraph::from_ratings(ratings, 4, 5);
}

inline std::vector<std::int32_t> numbers(std::int32_t count) {
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < count; ++i) ids.push_back(i);
  return ids;
}

// Scores of all items.
template <class Scorer>
std::vector<float> scores_from(const Scorer& scorer, const std::vector<std::int32_t>& history) {
  const auto items = numbers(scorer.item_count());
  std::vector<float> out(items.size(), -7);
  scorer.score_from(history, items, out);
  return out;
}

// W(i, .) of every item i must be the rows expected, and scores the sums of such rows.
template <class Scorer>
void hold_matrix(const Scorer& scorer, const std::vector<std::vector<double>>& expected, double tolerance) {
  CHECK(scorer.item_count() == static_cast<std::int32_t>(expected.size()));
  for (std::int32_t i = 0; i < scorer.item_count(); ++i) {
    const auto got = scores_from(scorer, {i});
    for (std::size_t j = 0; j < got.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(std::fabs(static_cast<double>(got[j]) - expected[static_cast<std::size_t>(i)][j]) < tolerance);
    }
  }
  const auto both = scores_from(scorer, {4, 0});
  for (std::size_t j = 0; j < both.size(); ++j)
    CHECK(static_cast<double>(both[j]) == doctest::Approx(expected[4][j] + expected[0][j]).epsilon(1e-5));
}

struct Renumbered {
  thaw::RatingGraph graph, changed;
  std::vector<std::int32_t> new_item;  // of each item
};

// 60 users with 3 to 14 of 40 items, and the same under other numbers in another order.
inline Renumbered renumbered(std::uint64_t seed) {
  constexpr std::int32_t kUsers = 60, kItems = 40;
  thaw::Philox rng(seed);
  std::vector<std::int32_t> new_user = numbers(kUsers), new_item = numbers(kItems);
  rng.shuffle(new_user);
  rng.shuffle(new_item);
  std::vector<thaw::Rating> ratings, changed;
  for (std::int32_t user = 0; user < kUsers; ++user) {
    std::vector<std::int32_t> items = numbers(kItems);
    rng.shuffle(items);
    items.resize(3 + rng.below(12));
    for (const std::int32_t item : items) {
      ratings.push_back({user, item, 1});
      changed.push_back({new_user[static_cast<std::size_t>(user)], new_item[static_cast<std::size_t>(item)], 1});
    }
  }
  rng.shuffle(changed);
  return {thaw::RatingGraph::from_ratings(ratings, kUsers, kItems),
          thaw::RatingGraph::from_ratings(changed, kUsers, kItems), new_item};
}

// Renumbering users and items renumbers the scores and changes nothing else. `fit(graph)` makes a scorer.
template <class Fit>
void hold_renumbering(const Fit& fit) {
  const Renumbered two = renumbered(5);
  const auto one = fit(two.graph);
  const auto other = fit(two.changed);
  CHECK(one.ok());
  CHECK(other.ok());
  if (!one || !other) return;
  const std::vector<std::int32_t> history{3, 17, 20};
  std::vector<std::int32_t> renamed;
  for (const std::int32_t item : history) renamed.push_back(two.new_item[static_cast<std::size_t>(item)]);
  const auto before = scores_from(one.value(), history);
  const auto after = scores_from(other.value(), renamed);
  float largest = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    largest = std::fmax(largest, std::fabs(before[i]));
    CHECK(after[static_cast<std::size_t>(two.new_item[i])] == doctest::Approx(before[i]).epsilon(1e-4));
  }
  CHECK(largest > 0);
}

// The same scores for a part of the items, in any order, and for every order of the history; none for no history.
template <class Scorer>
void hold_scoring(const Scorer& scorer) {
  static_assert(thaw::HistoryScorer<Scorer>);
  const auto all = scores_from(scorer, {1, 4});
  const auto turned = scores_from(scorer, {4, 1});
  const std::vector<std::int32_t> some{3, 0, 3};
  std::vector<float> out(3, -7);
  scorer.score_from(std::vector<std::int32_t>{1, 4}, some, out);
  CHECK(out == std::vector<float>{all[3], all[0], all[3]});
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(turned[i] == doctest::Approx(all[i]));
  for (const float score : scores_from(scorer, {})) CHECK(score == 0);
}

template <class T>
bool fault_says(const thaw::Result<T>& result, const char* part) {
  return !result && std::strstr(result.fault().text, part) != nullptr;
}

#if THAW_HAS_EXCEPTIONS
// Runs `body` with a handler that throws; whether the message has `part` in it.
template <class Body>
bool stops_with(const char* part, Body body) {
  const thaw::FaultHandler before = thaw::set_fault_handler([](const thaw::Fault& fault) { throw fault; });
  bool said = false;
  try {
    body();
  } catch (const thaw::Fault& fault) {
    said = std::strstr(fault.text, part) != nullptr;
  }
  thaw::set_fault_handler(before);
  return said;
}
#endif

// Ids that training does not know, and room for another number of scores.
template <class Scorer>
void hold_bad_questions([[maybe_unused]] const Scorer& scorer) {
#if THAW_HAS_EXCEPTIONS
  std::vector<float> out(1);
  const std::vector<std::int32_t> good{1}, negative{-1}, beyond{5}, two{1, 2};
  CHECK(stops_with("item 5 in the history, known are 0 to 4", [&] { scorer.score_from(beyond, good, out); }));
  CHECK(stops_with("item -1 in the history", [&] { scorer.score_from(negative, good, out); }));
  CHECK(stops_with("asked for item 5", [&] { scorer.score_from(good, beyond, out); }));
  CHECK(stops_with("room for 1 of 2 items", [&] { scorer.score_from(good, two, out); }));
#endif
}

// Graphs that teach nothing, or contradict themselves. `fit(graph)` makes a scorer.
template <class Fit>
void hold_bad_graphs(const Fit& fit) {
  CHECK(fault_says(fit(thaw::RatingGraph{}), "0 users, 0 items and 0 interactions"));
  CHECK(fault_says(fit(thaw::RatingGraph::from_ratings({}, 4, 5)), "4 users, 5 items and 0 interactions"));
  auto graph = four_users();
  graph.by_user.edges.back().column = 5;
  CHECK(fault_says(fit(graph), "item 5, the graph has items 0 to 4"));
}

}  // namespace thaw_test
