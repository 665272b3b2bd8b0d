#include "thaw/eval/protocol.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace {

using thaw::Rating;

// 40 users x 30 items, each pair rated with probability 0.6; the value names the pair.
std::vector<Rating> ratings_of(std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<Rating> ratings;
  for (int user = 0; user < 40; ++user)
    for (int item = 0; item < 30; ++item)
      if (rng.uniform() < 0.6) ratings.push_back({user, item, float(user * 100 + item)});
  ratings.push_back({40, 2, 1.0f});                             // a user with one rating
  for (int item : {4, 7}) ratings.push_back({41, item, 2.0f});  // and one with two
  return ratings;
}

std::map<int, int> visible_per(const std::vector<Rating>& ratings, const std::vector<std::uint8_t>& visible,
                               bool users) {
  std::map<int, int> count;
  for (std::size_t i = 0; i < ratings.size(); ++i) count[users ? ratings[i].user : ratings[i].item] += visible[i];
  return count;
}

TEST_CASE("choose_visible: limits of each cold side") {
  const auto ratings = ratings_of(1);
  const auto protocol = thaw::leak_free_protocol();
  const auto by_user = visible_per(ratings, thaw::choose_visible(ratings, {.cold_users = true}, protocol, 1), true);
  for (const auto& [user, count] : by_user) {
    if (user < 40) CHECK((count == 2 || count == 3 || count == 1));  // a tenth of 1 to 30, rounded up
    if (user == 40) CHECK(count == 0);                               // its only rating stays hidden
    if (user == 41) CHECK(count == 1);
  }
  const auto items = thaw::choose_visible(ratings, {.cold_items = true}, protocol, 1);
  for (const auto& [item, count] : visible_per(ratings, items, false)) CHECK((count >= 1 && count <= 3));
  const auto both = thaw::choose_visible(ratings, {.cold_users = true, .cold_items = true}, protocol, 1);
  int total = 0;
  for (const auto& [item, count] : visible_per(ratings, both, false)) CHECK(count <= 3);
  for (const auto& [user, count] : visible_per(ratings, both, true)) {
    CHECK(count <= 3);
    total += count;
  }
  CHECK(total > 30);  // 30 items with budget 3, 40 users with about 2: the tighter side is nearly used up
  thaw::Protocol none = protocol;
  none.most_visible_per_cold = 0;
  for (const auto mark : thaw::choose_visible(ratings, {.cold_users = true}, none, 1)) CHECK(mark == 0);
}

TEST_CASE("choose_visible and choose_queries: a function of seed and ids, not of the input order") {
  auto ratings = ratings_of(2);
  const auto protocol = thaw::leak_free_protocol();
  const auto chosen = [&](std::uint64_t seed) {
    const auto visible = thaw::choose_visible(ratings, {.cold_users = true}, protocol, seed);
    std::set<float> values;
    for (std::size_t i = 0; i < ratings.size(); ++i)
      if (visible[i] != 0) values.insert(ratings[i].value);
    std::vector<std::vector<float>> truths;
    for (const auto& query : thaw::choose_queries(ratings, visible, protocol, seed)) truths.push_back(query.truths);
    return std::pair{values, truths};
  };
  const auto before = chosen(3);
  thaw::Philox rng(4);
  rng.shuffle(ratings);
  CHECK(chosen(3) == before);
  CHECK(chosen(4) != before);
}

TEST_CASE("choose_queries: hidden ratings only, at most the limit, or all of them") {
  const auto ratings = ratings_of(3);
  auto protocol = thaw::leak_free_protocol();
  const auto visible = thaw::choose_visible(ratings, {.cold_users = true}, protocol, 1);
  std::set<std::pair<int, int>> hidden;
  for (std::size_t i = 0; i < ratings.size(); ++i)
    if (visible[i] == 0) hidden.insert({ratings[i].user, ratings[i].item});

  protocol.most_candidates = 8;
  int last_user = -1;
  for (const auto& query : thaw::choose_queries(ratings, visible, protocol, 1)) {
    CHECK(query.user > last_user);
    last_user = query.user;
    CHECK((query.items.size() <= 8 && !query.items.empty()));
    for (const int item : query.items) CHECK(hidden.count({query.user, item}) == 1);
    if (query.user < 40)
      for (std::size_t i = 0; i < query.items.size(); ++i)
        CHECK(query.truths[i] == float(query.user * 100 + query.items[i]));
  }
  protocol.most_candidates = thaw::Protocol::kAllCandidates;
  std::size_t covered = 0;
  for (const auto& query : thaw::choose_queries(ratings, visible, protocol, 1)) covered += query.items.size();
  CHECK(covered == hidden.size());
}

TEST_CASE("collect_cells: what each protocol scores") {
  const std::vector<std::int32_t> users{7, 8}, items{1, 2, 3};
  const std::vector<float> predictions{1, 2, 3, 4, 5, 6}, truths{5, 4, 3, 2, 1, 0};
  const std::vector<std::uint8_t> observed{1, 1, 0, 1, 0, 0}, visible{1, 0, 0, 1, 0, 0};
  const thaw::ScoredCells cells{users, items, predictions, truths, observed, visible};
  std::vector<thaw::UserScores> fair, all;
  thaw::collect_cells(thaw::leak_free_protocol(), cells, fair);
  CHECK(fair.size() == 1);
  CHECK(fair[0].user == 7);
  CHECK(fair[0].items == std::vector<std::int32_t>{2});
  CHECK(fair[0].predictions == std::vector<float>{2});
  CHECK(fair[0].truths == std::vector<float>{4});
  thaw::collect_cells(thaw::published_protocol(), cells, all);
  CHECK(all.size() == 2);
  CHECK(all[0].items == std::vector<std::int32_t>{1, 2});
  CHECK(all[1].user == 8);
  CHECK(all[1].truths == std::vector<float>{2});
}

}  // namespace
