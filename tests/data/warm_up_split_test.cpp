#include "thaw/data/warm_up_split.hpp"

#include <doctest/doctest.h>

#include <set>

#include "tests/temporary_folder.hpp"

using thaw::EvaluationOrder;
using thaw::Phase;
using thaw_test::contains;

namespace {

using Ids = std::vector<std::int32_t>;

// Items with the given numbers of impressions, user after user; times fall, so that the order must be made.
thaw::Clicks log_with(const Ids& counts, bool timed = true) {
  thaw::Clicks clicks;
  clicks.item_count = static_cast<std::int32_t>(counts.size());
  clicks.user_count = *std::max_element(counts.begin(), counts.end());
  for (std::int32_t item = 0; item < clicks.item_count; ++item)
    for (std::int32_t n = 0; n < counts[static_cast<std::size_t>(item)]; ++n) {
      clicks.items.push_back(item);
      clicks.users.push_back(n);
      clicks.labels.push_back((n + item) % 3 == 0 ? 1.0f : 0.0f);
      if (timed) clicks.times.push_back(10000 - 7 * n - item);
    }
  return clicks;
}

// What must hold of any split.
void check_split(const thaw::Clicks& clicks, const thaw::WarmUpSplit& split, const thaw::WarmUpSizes& sizes) {
  std::set<std::int32_t> seen(split.base.begin(), split.base.end());
  std::size_t listed = split.base.size();
  for (std::size_t s = 0; s < 4; ++s) {
    CHECK(thaw::check_ascending(clicks, split.slices[s]).ok() == true);
    seen.insert(split.slices[s].begin(), split.slices[s].end());
    listed += split.slices[s].size();
    for (const std::int32_t impression : split.slices[s]) {
      const std::int32_t place = split.place[static_cast<std::size_t>(impression)];
      CHECK((std::min)(place / sizes.slice, 3) == static_cast<std::int32_t>(s));
    }
  }
  CHECK(seen.size() == listed);  // no impression twice
  CHECK(listed + static_cast<std::size_t>(split.left_out) == clicks.items.size());
  for (std::int32_t item = 0; item < clicks.item_count; ++item) {
    const auto list = split.of_item(item);
    CHECK(thaw::check_ascending(clicks, list).ok());
    for (std::size_t i = 0; i < list.size(); ++i) {
      CHECK(clicks.items[static_cast<std::size_t>(list[i])] == item);
      CHECK(split.place[static_cast<std::size_t>(list[i])] == static_cast<std::int32_t>(i));
    }
  }
}

std::string fault_of(const thaw::Clicks& clicks, const thaw::WarmUpOptions& options) {
  const auto split = thaw::split_warm_up(clicks, options);
  return split ? std::string() : std::string(split.fault().text);
}

}  // namespace

TEST_CASE("old above N, new from 3 K to N, ends included; slices in the order of time") {
  const thaw::Clicks clicks = log_with({11, 10, 6, 5, 0, 8, 30});
  const thaw::WarmUpSizes sizes = thaw::WarmUpSizes::of(10, 2);
  const auto made = thaw::split_warm_up(clicks, {.sizes = sizes});
  CHECK_MESSAGE(made.ok(), (made ? "" : made.fault().text));
  if (!made) return;
  const thaw::WarmUpSplit& split = made.value();
  CHECK(split.old_items == Ids{0, 6});
  CHECK(split.new_items == Ids{1, 2, 5});
  CHECK(split.items_left_out == 1);  // item 3 has five impressions
  CHECK(split.items_unseen == 1);    // item 4 has none
  CHECK(split.left_out == 5);
  CHECK(split.base.size() == 41);
  CHECK(split.slices[0].size() == 6);
  CHECK(split.slices[2].size() == 6);
  CHECK(split.test().size() == 4 + 0 + 2);  // an item with exactly 3 K has nothing to test
  check_split(clicks, split, sizes);
  // Of item 5 (users 0 .. 7, the last one first): 7 6 | 5 4 | 3 2 | 1 0.
  Ids users;
  for (const std::int32_t impression : split.of_item(5))
    users.push_back(clicks.users[static_cast<std::size_t>(impression)]);
  CHECK(users == Ids{7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(split.of_item(4).empty());
  CHECK(split.order == "time order, ties at random (seed 1)");
}

TEST_CASE("strict sizes leave out both ends; other published sizes can be given") {
  const thaw::Clicks clicks = log_with({11, 10, 6, 7, 9, 30});
  const auto made = thaw::split_warm_up(clicks, {.sizes = thaw::WarmUpSizes::strict(10, 2)});
  CHECK(made.ok());
  if (!made) return;
  CHECK(made.value().new_items == Ids{3, 4});
  CHECK(made.value().old_items == Ids{0, 5});
  const auto other = thaw::split_warm_up(clicks, {.sizes = {.old_from = 12, .new_from = 7, .new_to = 9, .slice = 2}});
  CHECK(other.ok());
  if (!other) return;
  CHECK(other.value().old_items == Ids{5});
  CHECK(other.value().new_items == Ids{3, 4});
}

TEST_CASE("what a phase learns and is measured on: the two orders of evaluation") {
  const auto made = thaw::split_warm_up(log_with({11, 8}), {.sizes = thaw::WarmUpSizes::of(10, 2)});
  CHECK(made.ok());
  if (!made) return;
  const thaw::WarmUpSplit& split = made.value();
  CHECK(split.learnt(Phase::cold).empty());
  for (std::size_t p = 0; p < 4; ++p) {
    const Phase phase = thaw::kPhases[p];
    if (p > 0) CHECK(split.learnt(phase).data() == split.slices[p - 1].data());
    CHECK(split.measured(phase, EvaluationOrder::next_slice).data() == split.slices[p].data());
    CHECK(split.measured(phase, EvaluationOrder::fixed_test).data() == split.slices[3].data());
  }
  CHECK(std::string(name_of(Phase::warm_b)) == "warm-b");
  CHECK(std::string(name_of(EvaluationOrder::fixed_test)) == "fixed test");
}

TEST_CASE("without times the order is that of the seed, and is said") {
  const thaw::Clicks clicks = log_with({40, 20, 15}, false);
  const thaw::WarmUpSizes sizes = thaw::WarmUpSizes::of(20, 5);
  const auto one = thaw::split_warm_up(clicks, {.sizes = sizes, .seed = 1});
  const auto same = thaw::split_warm_up(clicks, {.sizes = sizes, .seed = 1});
  const auto two = thaw::split_warm_up(clicks, {.sizes = sizes, .seed = 2});
  CHECK((one.ok() && same.ok() && two.ok()));
  if (!one || !same || !two) return;
  check_split(clicks, one.value(), sizes);
  CHECK_FALSE(one.value().chronological);
  CHECK(one.value().order == "random order (seed 1)");
  CHECK(one.value().slices[0] == same.value().slices[0]);
  CHECK(one.value().slices[0] != two.value().slices[0]);
  CHECK(one.value().test().size() == two.value().test().size());
}

TEST_CASE("logs that cannot be split are named") {
  CHECK(
      fault_of(log_with({9, 8}), {.sizes = thaw::WarmUpSizes::of(10, 2)}) ==
      "clicks: 0 items have 11 impressions or more and 2 have 6 to 10, but both are needed; the most of one item is 9, "
      "choose smaller or larger sizes");
  CHECK(contains(fault_of(log_with({30, 40}), {.sizes = thaw::WarmUpSizes::of(10, 2)}), "2 items have 11"));
  thaw::Clicks broken = log_with({11, 8});
  broken.labels[4] = 2;
  CHECK(contains(fault_of(broken, {.sizes = thaw::WarmUpSizes::of(10, 2)}), "impression 4: expected the label 0 or 1"));
  CHECK(contains(fault_of(thaw::Clicks{}, {}), "the most of one item is 0"));
}
