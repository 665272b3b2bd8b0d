#include "thaw/data/histories.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "tests/temporary_folder.hpp"
#include "thaw/data/generator.hpp"
#include "thaw/data/ratings_reader.hpp"

using thaw_test::contains;

namespace {

using Items = std::vector<std::int32_t>;

thaw::Dataset parsed(std::string_view text) {
  thaw::Result<thaw::Dataset> data = thaw::parse_ratings(text, "r.csv");
  CHECK_MESSAGE(data.ok(), (data ? "" : data.fault().text));
  return data ? std::move(data.value()) : thaw::Dataset{};
}

Items items(const thaw::Histories& histories, std::int32_t user) {
  const auto view = histories.of(user).items;
  return Items(view.begin(), view.end());
}

std::string fault_of(const thaw::Dataset& data) {
  const auto histories = thaw::make_histories(data);
  return histories ? std::string() : std::string(histories.fault().text);
}

}  // namespace

TEST_CASE("histories follow the times, whatever the order of the file") {
  // Item numbers by first appearance: a 0, b 1, c 2, d 3.
  const thaw::Dataset data = parsed("1,a,5,30\n1,b,4,10\n2,c,3,7\n1,d,2,20\n2,a,1,6\n");
  const auto histories = thaw::make_histories(data);
  CHECK(histories.ok());
  if (!histories) return;
  CHECK(histories.value().chronological);
  CHECK(items(histories.value(), 0) == Items{1, 3, 0});
  CHECK(items(histories.value(), 1) == Items{0, 2});
  CHECK(histories.value().of(0).ratings[0] == 4.0f);
  CHECK(histories.value().of(0).ratings[2] == 5.0f);
}

TEST_CASE("without times the order is random, seeded, and not that of the file") {
  thaw::Dataset data = thaw::Generator({.users = 40, .items = 60, .ratings = 900, .seed = 5}).generate();
  const auto first = thaw::make_histories(data, {.seed = 1});
  const auto other = thaw::make_histories(data, {.seed = 2});
  std::reverse(data.ratings.begin(), data.ratings.end());
  const auto reversed = thaw::make_histories(data, {.seed = 1});
  CHECK((first.ok() && other.ok() && reversed.ok()));
  if (!first || !other || !reversed) return;
  CHECK_FALSE(first.value().chronological);
  CHECK(first.value().order == "random order");
  CHECK(first.value().items == reversed.value().items);
  CHECK(first.value().items != other.value().items);
  CHECK(first.value().items.size() == 900);
  // Ascending pairs among neighbours: half of them in random order, all of them in the generator's order or reversed.
  std::size_t ascending = 0, pairs = 0;
  for (std::int32_t u = 0; u < 40; ++u) {
    const Items list = items(first.value(), u);
    for (std::size_t i = 1; i < list.size(); ++i) ascending += list[i] > list[i - 1] ? 1 : 0, ++pairs;
  }
  CHECK(std::abs(static_cast<double>(ascending) / static_cast<double>(pairs) - 0.5) < 0.06);
}

TEST_CASE("records of the same second are in random order, not in that of item numbers") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "1,i" + std::to_string(i) + ",3," + std::to_string(i / 50) + "\n";
  const auto histories = thaw::make_histories(parsed(text));
  CHECK(histories.ok());
  if (!histories) return;
  const Items list = items(histories.value(), 0);
  for (std::size_t i = 0; i < list.size(); ++i) CHECK(static_cast<std::size_t>(list[i]) / 50 == i / 50);
  CHECK_FALSE(std::is_sorted(list.begin(), list.end()));
}

TEST_CASE("users without ratings, with one, with an item twice") {
  thaw::Dataset data = parsed("1,a,5,30\n2,b,4,10\n2,a,3,20\n");
  data.users.ids.add("nobody");
  data.ratings.push_back({1, 1, 2});  // user 2 met b before
  data.times.push_back(40);
  const auto histories = thaw::make_histories(data);
  CHECK(histories.ok());
  if (!histories) return;
  CHECK(histories.value().users() == 3);
  CHECK(items(histories.value(), 0) == Items{0});
  CHECK(items(histories.value(), 1) == Items{1, 0});
  CHECK(histories.value().of(1).ratings[0] == 4.0f);
  CHECK(items(histories.value(), 2).empty());
  CHECK(histories.value().repeats == 1);
  CHECK(thaw::make_histories(thaw::Dataset{}).value().users() == 0);
}

TEST_CASE("data that cannot be put in order") {
  thaw::Dataset data = parsed("1,a,5,30\n2,b,4,10\n");
  data.name = "r";
  data.times.pop_back();
  CHECK(contains(fault_of(data), "r: expected a time for each of 2 ratings or no times at all, found 1"));
  data.times.clear();
  data.ratings[1].item = 2;
  CHECK(contains(fault_of(data), "r, rating 1: user 1 and item 2 are not among 2 users and 2 items"));
  data.ratings[1].item = -1;
  CHECK(contains(fault_of(data), "r, rating 1: user 1 and item -1"));
  data.ratings[1] = {1, 1, NAN};
  CHECK(contains(fault_of(data), "r, rating 1: the rating of user 1 for item 1 is not a finite number"));
}

TEST_CASE("sequences give the order, the data the ratings") {
  const thaw::Dataset data = parsed("7,10,5\n7,20,4\n8,10,3\n8,30,2\n7,30,1\n9,10,5\n");
  const auto histories = thaw::parse_sequences("8 30 10\n7 20 30\r\n", "s.txt", data);
  CHECK_MESSAGE(histories.ok(), (histories ? "" : histories.fault().text));
  if (!histories) return;
  CHECK(histories.value().chronological);
  CHECK(items(histories.value(), 0) == Items{1, 2});
  CHECK(histories.value().of(0).ratings[1] == 1.0f);
  CHECK(items(histories.value(), 1) == Items{2, 0});
  CHECK(items(histories.value(), 2).empty());

  const auto fault = [&data](std::string_view text) {
    const auto result = thaw::parse_sequences(text, "s.txt", data);
    return result ? std::string() : std::string(result.fault().text);
  };
  CHECK(contains(fault(""), "s.txt: expected lines \"user item item ...\", found an empty file"));
  CHECK(contains(fault("6 10\n"), "s.txt, line 1, column 1 (user): expected a user of the data set, found \"6\""));
  CHECK(contains(fault("7 10\n7 20\n"), "s.txt, line 2, column 1 (user): expected each user once, found \"7\" again"));
  CHECK(contains(fault("9 10 20\n"), "s.txt, line 1, column 3 (item): expected an item that user \"9\" rated"));
  CHECK(contains(fault("9 11\n"), "s.txt, line 1, column 2 (item): expected an item that user \"9\" rated"));
  CHECK(contains(fault("7 10 20 10\n"), "s.txt, line 1: expected each item once, found \"10\" twice"));
}
