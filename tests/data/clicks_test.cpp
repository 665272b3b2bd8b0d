#include "thaw/data/clicks.hpp"

#include <doctest/doctest.h>

#include <set>

#include "tests/temporary_folder.hpp"

using thaw_test::contains;

namespace {

using Ids = std::vector<std::int32_t>;

thaw::Dataset rated() {
  thaw::Dataset data;
  data.name = "small";
  for (const char* id : {"a", "b"}) data.users.ids.add(id);
  for (const char* id : {"x", "y", "z"}) data.items.ids.add(id);
  data.ratings = {{0, 0, 5}, {0, 1, 3.5f}, {1, 1, 4}, {1, 2, 1}};
  data.times = {40, 10, 30, 10};
  return data;
}

std::string fault_of(const thaw::Clicks& clicks) {
  const auto checked = thaw::check_clicks(clicks);
  return checked ? std::string() : std::string(checked.fault().text);
}

}  // namespace

TEST_CASE("ratings from the threshold on are likes") {
  const auto clicks = thaw::clicks_from_ratings(rated(), {.like_from = 4});
  CHECK(clicks.ok());
  if (!clicks) return;
  CHECK(clicks.value().users == Ids{0, 0, 1, 1});
  CHECK(clicks.value().items == Ids{0, 1, 1, 2});
  CHECK(clicks.value().labels == std::vector<float>{1, 0, 1, 0});
  CHECK(clicks.value().times == std::vector<std::int64_t>{40, 10, 30, 10});
  CHECK(clicks.value().user_count == 2);
  CHECK(clicks.value().item_count == 3);
  CHECK(fault_of(clicks.value()).empty());
}

TEST_CASE("a threshold that leaves one label is a fault that names the scale") {
  const auto all = thaw::clicks_from_ratings(rated(), {.like_from = 1});
  const auto none = thaw::clicks_from_ratings(rated(), {.like_from = 6});
  CHECK((!all.ok() && !none.ok()));
  if (all || none) return;
  CHECK(std::string(all.fault().text) ==
        "small: with likes from 1 on, every rating is a like; choose a threshold inside the scale, which is 1 to 5");
  CHECK(contains(none.fault().text, "likes from 6 on, no rating is a like"));
}

TEST_CASE("time order with ties at random, whatever the order of the log; time going backwards is counted") {
  const auto clicks = thaw::clicks_from_ratings(rated());
  if (!clicks) return;
  const thaw::ClickOrder order = thaw::order_clicks(clicks.value(), {.seed = 3});
  CHECK(order.chronological);
  CHECK(order.text == "time order, ties at random (seed 3)");
  CHECK(order.backwards == 2);  // 40 -> 10 and 30 -> 10
  CHECK((order.impressions[2] == 2 && order.impressions[3] == 0));
  CHECK(thaw::check_ascending(clicks.value(), order.impressions).ok());
  const auto backwards = thaw::check_ascending(clicks.value(), Ids{1, 0, 2});
  CHECK_FALSE(backwards.ok());
  if (!backwards)
    CHECK(std::string(backwards.fault().text) ==
          "clicks: time goes backwards, impression 2 at 30 follows one at 40; put them in order with order_clicks()");

  // The same records in another order: the same sequence of (user, item).
  thaw::Dataset turned = rated();
  std::reverse(turned.ratings.begin(), turned.ratings.end());
  std::reverse(turned.times.begin(), turned.times.end());
  const auto other = thaw::clicks_from_ratings(turned);
  if (!other) return;
  const thaw::ClickOrder again = thaw::order_clicks(other.value(), {.seed = 3});
  for (std::size_t i = 0; i < 4; ++i) CHECK(again.impressions[i] == 3 - order.impressions[i]);
}

TEST_CASE("without times the order is random, complete, and that of the seed") {
  thaw::Clicks clicks;
  clicks.user_count = 50, clicks.item_count = 20;
  for (std::int32_t u = 0; u < 50; ++u)
    for (std::int32_t i = 0; i < 20; ++i)
      clicks.users.push_back(u), clicks.items.push_back(i), clicks.labels.push_back(1);
  const thaw::ClickOrder one = thaw::order_clicks(clicks, {.seed = 1}), same = thaw::order_clicks(clicks, {.seed = 1});
  const thaw::ClickOrder two = thaw::order_clicks(clicks, {.seed = 2});
  CHECK_FALSE(one.chronological);
  CHECK(one.text == "random order (seed 1)");
  CHECK(one.impressions == same.impressions);
  CHECK(one.impressions != two.impressions);
  CHECK(std::set<std::int32_t>(one.impressions.begin(), one.impressions.end()).size() == 1000);
  double early = 0;  // the mean number of the first half: 499.5 where the order is random
  for (std::size_t i = 0; i < 500; ++i) early += one.impressions[i] / 500.0;
  CHECK(std::abs(early - 499.5) < 40);
  CHECK(thaw::check_ascending(clicks, one.impressions).ok());
}

TEST_CASE("logs that cannot be used are named") {
  const auto clicks = thaw::clicks_from_ratings(rated());
  if (!clicks) return;
  const auto broken = [&](auto&& change) {
    thaw::Clicks copy = clicks.value();
    change(copy);
    return fault_of(copy);
  };
  CHECK(broken([](thaw::Clicks& c) { c.labels[2] = 0.5f; }) ==
        "clicks, impression 2: expected the label 0 or 1, found 0.5");
  CHECK(contains(broken([](thaw::Clicks& c) { c.labels[1] = NAN; }), "impression 1: expected the label 0 or 1"));
  CHECK(broken([](thaw::Clicks& c) { c.items[3] = 3; }) ==
        "clicks, impression 3: user 1 and item 3 are not among 2 users and 3 items; ids are dense, from 0");
  CHECK(contains(broken([](thaw::Clicks& c) { c.users[0] = -1; }), "impression 0: user -1 and item 0"));
  CHECK(broken([](thaw::Clicks& c) { c.times.pop_back(); }) ==
        "clicks: expected users, labels and (if known) times for each of 4 items, found 4, 4 and 3");
  CHECK(broken([](thaw::Clicks& c) {
          c.context.push_back({"place", {}, {1, 2}});
        }) == "clicks: the column place has 2 values for 4 impressions");
}
