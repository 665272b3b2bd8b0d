#include "thaw/data/item_sequences.hpp"

#include <set>

#include "tests/data/reader_fixture.hpp"
#include "thaw/data/sequence_examples.hpp"

using namespace thaw_test;

namespace {

using Ids = std::vector<std::int32_t>;
Ids list(std::span<const std::int32_t> items) { return {items.begin(), items.end()}; }

constexpr const char* kSmall = "1 1 2 3 4\n2 5 1\n3 3 6 2\n";

// Whether items are numbered by first appearance, user after user, in what `part` gives.
template <class Part>
bool first_appearance(const thaw::ItemSequences& data, const Ids& number, const Part& part) {
  std::int32_t next = 0;
  for (std::int32_t user = 0; user < data.users(); ++user)
    for (const std::int32_t item : part(user)) {
      const std::int32_t n = number[static_cast<std::size_t>(item)];
      if (n > next) return false;
      if (n == next) ++next;
    }
  return true;
}

// Share of users whose test item is numbered right behind the largest number of what came before.
double largest_plus_one(const thaw::ItemSequences& data, const Ids& number) {
  int hits = 0;
  for (std::int32_t user = 0; user < data.users(); ++user) {
    std::int32_t largest = -1;
    for (const std::int32_t item : data.train_and_validation(user))
      largest = (std::max)(largest, number[static_cast<std::size_t>(item)]);
    hits += number[static_cast<std::size_t>(data.test(user))] == largest + 1;
  }
  return static_cast<double>(hits) / static_cast<double>(data.users());
}

}  // namespace

TEST_CASE("item sequences: order is kept, the last two are held out, short users are for training alone") {
  const auto read = thaw::parse_item_sequences(kSmall, "small");
  CHECK_MESSAGE(read.ok(), fault_text(read));
  if (!read) return;
  const thaw::ItemSequences& data = read.value();
  CHECK(data.users() == 3);
  CHECK(data.items == 6);
  CHECK(data.interactions() == 9);
  CHECK(list(data.train(0)) == Ids{0, 1});
  CHECK(data.validation(0) == 2);
  CHECK(data.test(0) == 3);
  CHECK(!data.has_test(1));
  CHECK(list(data.train(1)) == Ids{4, 0});
  CHECK(list(data.train_and_validation(2)) == Ids{2, 5});
  CHECK(data.test(2) == 1);
}

TEST_CASE("item sequences: what is wrong is a fault that says where") {
  const auto says = [](const char* text, const char* part) {
    const auto read = thaw::parse_item_sequences(text, "bad");
    CHECK(!read.ok());
    CHECK(fault_text(read).find(part) != std::string::npos);
  };
  says("1 1 2\n2 2 2\n", "user 2 has item 2 twice");
  says("1 1\n3 2\n", "user 2 has no items");
  says("1 1 3\n", "item 2 is in no sequence");
  says("1 1 x\n", "line 1, column 3");
  says("1 0\n", "expected an id from 1");
  says("", "found none");
  check_not_found(thaw::read_item_sequences("no/such/sequential.txt"));
}

TEST_CASE("item numberings are permutations; training order knows nothing of held-out items") {
  const auto read = thaw::parse_item_sequences(kSmall, "small");
  CHECK(read.ok());
  if (!read) return;
  const thaw::ItemSequences& data = read.value();
  using thaw::ItemNumbering;
  for (const auto numbering : {ItemNumbering::random, ItemNumbering::training_order, ItemNumbering::as_given}) {
    Ids number = thaw::number_items(data, numbering, 3);
    std::sort(number.begin(), number.end());
    CHECK(number == Ids{0, 1, 2, 3, 4, 5});
  }
  CHECK(thaw::number_items(data, ItemNumbering::as_given, 3) == Ids{0, 1, 2, 3, 4, 5});
  CHECK(thaw::number_items(data, ItemNumbering::random, 3) == thaw::number_items(data, ItemNumbering::random, 3));
  CHECK(thaw::number_items(data, ItemNumbering::random, 3) != thaw::number_items(data, ItemNumbering::random, 4));
  const Ids order = thaw::number_items(data, ItemNumbering::training_order, 3);
  CHECK(order[0] == 0);
  CHECK(order[1] == 1);
  CHECK(order[4] == 2);
  CHECK(order[2] == 3);
}

TEST_CASE("next-item examples: slices of the training part, every one of them reached; test and validation") {
  const auto read = thaw::parse_item_sequences("1 1 2 3 4 5 6 7\n", "one");
  CHECK(read.ok());
  if (!read) return;
  const thaw::ItemSequences& data = read.value();
  std::set<std::pair<Ids, std::int32_t>> seen;
  for (std::uint64_t i = 0; i < 500; ++i) {
    thaw::Philox rng(1, i);
    const auto example = thaw::draw_next_item(data, 0, 2, rng);
    seen.emplace(list(example.history), example.answer);
  }
  // Starts 0..3, ends start+1..4, histories cut to two items.
  CHECK(seen == std::set<std::pair<Ids, std::int32_t>>{
                    {{0}, 1}, {{0, 1}, 2}, {{1, 2}, 3}, {{2, 3}, 4}, {{1}, 2}, {{2}, 3}, {{3}, 4}});
  CHECK(list(thaw::test_item(data, 0, 3).history) == Ids{3, 4, 5});
  CHECK(thaw::test_item(data, 0, 3).answer == 6);
  CHECK(list(thaw::validation_item(data, 0, 20).history) == Ids{0, 1, 2, 3, 4});
  CHECK(thaw::validation_item(data, 0, 20).answer == 5);
}

TEST_CASE("negatives: outside the whole list, each once, fixed by seed and user, all of them where there are few") {
  std::string text;
  for (int user = 1; user <= 3; ++user) {
    text += std::to_string(user);
    for (int item = 10 * user - 9; item <= 10 * user; ++item) text += " " + std::to_string(item);
    text += "\n";
  }
  const auto read = thaw::parse_item_sequences(text, "three");
  CHECK(read.ok());
  if (!read) return;
  const thaw::ItemSequences& data = read.value();
  const Ids some = thaw::negatives_of(data, 1, 15, 7), again = thaw::negatives_of(data, 1, 15, 7);
  CHECK(some == again);
  CHECK(some != thaw::negatives_of(data, 1, 15, 8));
  CHECK(some.size() == 15);
  CHECK(std::set<std::int32_t>(some.begin(), some.end()).size() == 15);
  for (const std::int32_t item : some) CHECK((item < 10 || item >= 20));
  CHECK(thaw::negatives_of(data, 1, 99, 7).size() == 20);
}

TEST_CASE("training edges hold no held-out pair; the leaky graph does, and is only as large as its share") {
  const auto read = thaw::parse_item_sequences(kSmall, "small");
  CHECK(read.ok());
  if (!read) return;
  const auto clean = thaw::training_interactions(read.value()), more = thaw::training_interactions(read.value(), true);
  CHECK(clean.ok());
  CHECK(more.ok());
  if (!clean || !more) return;
  CHECK(list(clean.value().by_user.row(0)) == Ids{0, 1});
  CHECK(list(clean.value().by_user.row(2)) == Ids{2});
  CHECK(list(more.value().by_user.row(2)) == Ids{2, 5});
  const auto all = thaw::leaky_interactions(read.value(), 1.0, 1);
  CHECK(all.ok());
  if (all) CHECK(all.value().by_user.ids.size() == 9);
}

TEST_CASE("Amazon Beauty and Sports have the published sizes" * doctest::skip(std::getenv("THAW_DATA") == nullptr)) {
  struct Known {
    const char* set;
    std::int32_t users, items;
    std::int64_t interactions;
    std::int32_t never_trained, cold_tests;
    double largest_plus_one;
  };
  for (const Known& known : {Known{"amazon-beauty", 22363, 12101, 198502, 33, 138, 0.0441},
                             Known{"amazon-sports", 35598, 18357, 296337, 73, 317, 0.0414}}) {
    const std::string folder = real_data(known.set, "sequential.txt");
    if (folder.empty()) continue;
    const auto read = thaw::read_item_sequences(thaw::join_path(folder, "sequential.txt"));
    CHECK_MESSAGE(read.ok(), fault_text(read));
    if (!read) return;
    const thaw::ItemSequences& data = read.value();
    CHECK(data.users() == known.users);
    CHECK(data.items == known.items);
    CHECK(data.interactions() == known.interactions);
    std::vector<int> trained(static_cast<std::size_t>(data.items), 0);
    for (std::int32_t user = 0; user < data.users(); ++user) {
      CHECK(data.of(user).size() >= 5);
      for (const std::int32_t item : data.train(user)) trained[static_cast<std::size_t>(item)] = 1;
    }
    CHECK(std::count(trained.begin(), trained.end(), 0) == known.never_trained);
    std::int32_t cold = 0;
    for (std::int32_t user = 0; user < data.users(); ++user)
      cold += trained[static_cast<std::size_t>(data.test(user))] == 0 ? 1 : 0;
    CHECK(cold == known.cold_tests);
    const Ids given = thaw::number_items(data, thaw::ItemNumbering::as_given, 1),
              random = thaw::number_items(data, thaw::ItemNumbering::random, 1),
              order = thaw::number_items(data, thaw::ItemNumbering::training_order, 1);
    const auto whole = [&](std::int32_t user) { return data.of(user); };
    const auto train = [&](std::int32_t user) { return data.train(user); };
    CHECK(first_appearance(data, given, whole));
    CHECK(!first_appearance(data, random, whole));
    CHECK(first_appearance(data, order, train));
    CHECK(largest_plus_one(data, given) == doctest::Approx(known.largest_plus_one).epsilon(0.003));
    CHECK(largest_plus_one(data, random) < 1e-4);
  }
}
