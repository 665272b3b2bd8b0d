#include "thaw/data/split_lists.hpp"

#include <numeric>

#include "tests/data/reader_fixture.hpp"

using namespace thaw_test;

namespace {

std::vector<std::int32_t> row(const thaw::IdLists& lists, std::int32_t user) {
  const auto items = lists.row(user);
  return {items.begin(), items.end()};
}
using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("rows of a split: users without a row, empty rows, blanks at the end, CRLF, an item twice") {
  const auto split = thaw::parse_split_lists("0 3 1 1\r\n2 0\n", "", "0 2\n1\n2 4 \n", "small");
  CHECK_MESSAGE(split.ok(), fault_text(split));
  if (!split) return;
  const thaw::SplitLists& s = split.value();
  CHECK(s.users() == 3);
  CHECK(s.items == 5);
  CHECK(s.repeats == 1);
  CHECK(row(s.train, 0) == Ids{1, 3});
  CHECK(row(s.train, 1) == Ids{});
  CHECK(row(s.train, 2) == Ids{0});
  CHECK(row(s.test, 2) == Ids{4});
  CHECK(s.valid.rows() == 3);
  CHECK(s.valid.ids.empty());
  const thaw::RatingGraph graph = s.train_graph();
  CHECK(graph.item_count() == 5);
  CHECK(graph.by_user.edges.size() == 3);
  CHECK(graph.by_item.row(3).size() == 1);
}

TEST_CASE("pairs, with a weight or without, and ids from 1") {
  const auto split = thaw::parse_split_lists("1 1 1\n1 2 1\n2 2 1\n", "2 1\n", "1 3 1\n", "pairs",
                                             {.form = thaw::ListForm::pairs, .first_id = 1});
  CHECK_MESSAGE(split.ok(), fault_text(split));
  if (!split) return;
  CHECK(row(split.value().train, 0) == Ids{0, 1});
  CHECK(row(split.value().valid, 1) == Ids{0});
  CHECK(row(split.value().test, 0) == Ids{2});
  CHECK(split.value().train_and_valid_graph().by_user.edges.size() == 4);
}

TEST_CASE("last item out: test, validation, first visits only, short rows stay") {
  const auto split = thaw::parse_last_out("1 5 4 5 3 2\n2 1 1 2\n3 1 2 3\n", "sequence");
  CHECK_MESSAGE(split.ok(), fault_text(split));
  if (!split) return;
  const thaw::SplitLists& s = split.value();
  CHECK(row(s.train, 0) == Ids{3, 4});
  CHECK(row(s.valid, 0) == Ids{2});
  CHECK(row(s.test, 0) == Ids{1});
  CHECK(row(s.train, 1) == Ids{0, 1});
  CHECK(row(s.test, 1) == Ids{});
  CHECK(row(s.test, 2) == Ids{2});
  CHECK(s.repeats == 2);
}

TEST_CASE("a random split loses nothing, is the same at every run and gives a test item to whoever has three") {
  thaw::Dataset data;
  for (std::int32_t item = 0; item < 40; ++item) data.items.ids.add(std::to_string(item));
  for (std::int32_t user = 0; user < 30; ++user) {
    data.users.ids.add(std::to_string(user));
    for (std::int32_t item = 0; item <= user; ++item) data.ratings.push_back({user, item, 5});
  }
  const thaw::SplitLists s = thaw::split_at_random(data, {.seed = 3}), again = thaw::split_at_random(data, {.seed = 3});
  CHECK(s.train.ids == again.train.ids);
  CHECK(s.test.ids == again.test.ids);
  CHECK(s.test.ids != thaw::split_at_random(data, {.seed = 4}).test.ids);
  for (std::int32_t user = 0; user < 30; ++user) {
    Ids all = row(s.train, user);
    for (const thaw::IdLists* part : {&s.valid, &s.test})
      all.insert(all.end(), part->row(user).begin(), part->row(user).end());
    std::sort(all.begin(), all.end());
    Ids expected(static_cast<std::size_t>(user) + 1);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(all == expected);
    CHECK(s.test.row(user).size() == (user < 2 ? 0u : (user < 19 ? 1u : static_cast<std::size_t>(user + 1) / 10)));
  }
}

TEST_CASE("what cannot be used is named with its line and column") {
  const auto fault = [](std::string_view train, std::string_view test) {
    return fault_text(thaw::parse_split_lists(train, "", test, "bad"));
  };
  CHECK(contains(fault("0 1\n1 x 3\n", "0 2\n"), "bad (train), line 2, column 2: expected an id"));
  CHECK(contains(fault("0 -1\n", "0 2\n"), "found \"-1\""));
  CHECK(contains(fault("0 99999999999\n", "0 2\n"), "line 1, column 2"));
  CHECK(contains(fault("0 1\n0 2\n", "0 2\n"), "user 0 has a row above already"));
  CHECK(contains(fault("0 1 2\n", "0 2\n"), "user 0 has item 2 in two parts"));
  CHECK(contains(fault("", "0 2\n"), "bad (train): expected lists of ids, found none"));
  CHECK(contains(fault_text(thaw::parse_split_lists("3\n", "", "0 1\n", "p", {.form = thaw::ListForm::pairs})),
                 "line 1: expected user and item"));
  CHECK(!thaw::read_split_lists("/no/such/folder").ok());
}

TEST_CASE("the published splits have the published sizes" * doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  const std::string ml = real_data("ml-1m-mulsetrank", "train.txt"),
                    sports = real_data("amazon-sports-lightgcnpp", "train.txt");
  if (ml.empty() || sports.empty()) return;
  const auto movies = thaw::read_split_lists(ml);
  const auto goods = thaw::read_split_lists(sports, {.form = thaw::ListForm::pairs});
  CHECK_MESSAGE(movies.ok(), fault_text(movies));
  CHECK_MESSAGE(goods.ok(), fault_text(goods));
  if (!movies || !goods) return;
  CHECK(movies.value().train.ids.size() == 794'784);
  CHECK(movies.value().test.ids.size() == 205'425);
  CHECK(movies.value().items == 3'883);  // ids of the file; 3,706 of them occur
  CHECK(goods.value().users() == 35'598);
  CHECK(goods.value().train.ids.size() + goods.value().valid.ids.size() + goods.value().test.ids.size() == 296'337);
}
