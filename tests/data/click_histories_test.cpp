#include "thaw/data/click_histories.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace {

using Ids = std::vector<std::int32_t>;

// User 0: likes 1, 2 at one time, then 3, then 1 again; user 1 likes 2 and dislikes 3.
thaw::Clicks small() {
  thaw::Clicks clicks;
  clicks.user_count = 3, clicks.item_count = 5;
  clicks.users = {0, 0, 0, 1, 0, 1, 0};
  clicks.items = {1, 2, 3, 3, 1, 2, 4};
  clicks.labels = {1, 1, 1, 0, 1, 1, 0};
  clicks.times = {10, 10, 20, 5, 40, 6, 30};
  return clicks;
}

Ids before(const thaw::ClickHistories& histories, const thaw::Clicks& clicks, std::int32_t impression) {
  const auto liked = histories.before(impression, clicks.users[static_cast<std::size_t>(impression)]);
  return Ids(liked.begin(), liked.end());
}

}  // namespace

TEST_CASE("an impression sees the likes before it, not those of its own time") {
  const thaw::Clicks clicks = small();
  const std::vector<std::uint8_t> all(5, 1);
  const auto histories = thaw::click_histories(clicks, thaw::places_by_time(clicks), all);
  CHECK(before(histories, clicks, 0).empty());
  CHECK(before(histories, clicks, 1).empty());
  CHECK(before(histories, clicks, 2) == Ids{1, 2});
  CHECK(before(histories, clicks, 6) == Ids{1, 2, 3});
  CHECK(before(histories, clicks, 4) == Ids{1, 2, 3});  // item 4 was not liked
  CHECK(before(histories, clicks, 3).empty());
  CHECK(before(histories, clicks, 5).empty());  // nor was item 3 by user 1
  Ids slots(2), many(5);
  histories.latest(6, 0, slots);
  CHECK(slots == Ids{2, 3});
  histories.latest(6, 0, many);
  CHECK(many == Ids{1, 2, 3, -1, -1});
  CHECK(histories.offsets == std::vector<std::int64_t>{0, 4, 5, 5});  // user 2 has none
}

TEST_CASE("items that are not listed never appear") {
  const thaw::Clicks clicks = small();
  const std::vector<std::uint8_t> listed{1, 0, 1, 1, 1};
  const auto histories = thaw::click_histories(clicks, thaw::places_by_time(clicks), listed);
  CHECK(before(histories, clicks, 4) == Ids{2, 3});
}

TEST_CASE("no history depends on labels of later impressions") {
  thaw::Clicks clicks = small();
  const std::vector<std::uint8_t> all(5, 1);
  const std::vector<double> places = thaw::places_by_time(clicks);
  const auto histories = thaw::click_histories(clicks, places, all);
  for (std::int32_t changed = 0; changed < clicks.size(); ++changed) {
    thaw::Clicks other = clicks;
    other.labels[static_cast<std::size_t>(changed)] = 1 - other.labels[static_cast<std::size_t>(changed)];
    const auto again = thaw::click_histories(other, places, all);
    for (std::int32_t i = 0; i < clicks.size(); ++i)
      if (places[static_cast<std::size_t>(i)] <= places[static_cast<std::size_t>(changed)])
        CHECK(before(again, other, i) == before(histories, clicks, i));
  }
}

TEST_CASE("places by sequence: its order, and an even spread for what it leaves out") {
  thaw::Clicks clicks;
  clicks.user_count = 1, clicks.item_count = 3000;
  thaw::Histories sequences;
  for (std::int32_t item = 0; item < 3000; ++item) {
    clicks.users.push_back(0), clicks.items.push_back(item), clicks.labels.push_back(1);
    if (item % 3 == 0) sequences.items.push_back(2997 - item), sequences.ratings.push_back(5);
  }
  sequences.offsets.push_back(static_cast<std::int64_t>(sequences.items.size()));
  const std::vector<double> places = thaw::places_by_sequence(clicks, sequences, 1);
  double in = 0, out = 0, squares = 0;
  for (std::size_t i = 0; i < 3000; ++i) {
    if (i % 3 == 0) CHECK(places[i] == static_cast<double>(999 - i / 3));
    (i % 3 == 0 ? in : out) += places[i];
    if (i % 3 != 0) squares += (places[i] - 499.5) * (places[i] - 499.5);
    CHECK((places[i] >= -0.5 && places[i] <= 1000.5));
  }
  // Both have the mean and the spread of an even distribution over the sequence: whether an impression is in the
  // sequence cannot be told from its place.
  CHECK(in / 1000 == doctest::Approx(499.5));
  CHECK(std::abs(out / 2000 - 499.5) < 25);
  CHECK(std::abs(std::sqrt(squares / 2000) - 1000 / std::sqrt(12.0)) < 15);
  CHECK(thaw::places_by_sequence(clicks, sequences, 1) == places);
  CHECK(thaw::places_by_sequence(clicks, sequences, 2) != places);
}

TEST_CASE("without times places are random, one an impression") {
  thaw::Clicks clicks = small();
  clicks.times.clear();
  const std::vector<double> one = thaw::places_by_time(clicks, {.seed = 1}),
                            two = thaw::places_by_time(clicks, {.seed = 2});
  CHECK(one == thaw::places_by_time(clicks, {.seed = 1}));
  CHECK(one != two);
  CHECK(one[0] == one[4]);  // the same user and item: told apart by nothing
  CHECK(one[0] != one[1]);
}
