#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "elmrec/hold_out.hpp"
#include "elmrec/worlds.hpp"

namespace {

bool has(std::span<const std::int32_t> list, std::int32_t item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

TEST_CASE("hold-out: nothing of new users and new items is learnt, and no asked pair is an edge") {
  const thaw::ItemSequences data = elmrec::generate_sequences({.users = 400, .items = 200, .tastes = 10});
  elmrec::HoldOut held = elmrec::hold_out(data, {.share = 0.1, .seed = 3});
  CHECK(std::count(held.is_new_user.begin(), held.is_new_user.end(), 1) == 40);
  CHECK(std::count(held.is_new_item.begin(), held.is_new_item.end(), 1) == 20);
  std::size_t learnt = 0;
  for (std::int32_t user = 0; user < data.users(); ++user) {
    const auto train = held.learn.train(user);
    learnt += train.size();
    if (held.is_new_user[static_cast<std::size_t>(user)] != 0) CHECK(train.empty());
    for (const std::int32_t item : train) {
      CHECK(held.is_new_item[static_cast<std::size_t>(item)] == 0);
      CHECK(has(data.train(user), item));
    }
  }
  const auto bare = held.with_evidence(0), more = held.with_evidence(3);
  CHECK(bare.ok());
  CHECK(more.ok());
  if (!bare || !more) return;
  CHECK(bare.value().by_user.ids.size() == learnt);
  CHECK(more.value().by_user.ids.size() > learnt);
  for (std::int32_t item = 0; item < data.items; ++item) {
    const bool fresh = held.is_new_item[static_cast<std::size_t>(item)] != 0;
    if (fresh) CHECK(bare.value().by_item.row(item).empty());
    if (fresh) CHECK(more.value().by_item.row(item).size() <= 3);
  }
  for (std::size_t shown = 1; shown <= 3; ++shown) {
    const elmrec::Questions questions = held.new_users(data, shown, {.negatives = 30});
    CHECK(questions.list.size() > 30);
    for (const elmrec::Question& q : questions.list) {
      CHECK(held.is_new_user[static_cast<std::size_t>(q.user)] == 1);
      CHECK(q.history.size() == shown);
      CHECK(!has(q.history, q.answer));
      CHECK(held.is_new_item[static_cast<std::size_t>(q.answer)] == 0);
      const auto& negatives = questions.negatives[q.index];
      CHECK(std::set<std::int32_t>(negatives.begin(), negatives.end()).size() == 30);
      for (const std::int32_t item : negatives) {
        CHECK(!has(data.of(q.user), item));
        CHECK(held.is_new_item[static_cast<std::size_t>(item)] == 0);
      }
    }
  }
  const elmrec::Questions questions = held.new_items(data, {.negatives = 10});
  CHECK(questions.list.size() > 20);
  for (const elmrec::Question& q : questions.list) {
    CHECK(held.is_new_item[static_cast<std::size_t>(q.answer)] == 1);
    CHECK(has(data.of(q.user), q.answer));
    for (const std::int32_t item : more.value().by_user.row(q.user))
      CHECK(held.is_new_item[static_cast<std::size_t>(item)] == 0);
    for (const std::int32_t item : questions.negatives[q.index]) {
      CHECK(held.is_new_item[static_cast<std::size_t>(item)] == 1);
      CHECK(!has(data.of(q.user), item));
    }
  }
}

TEST_CASE("generated sequences: dense, no repeats, every item used, the same at every run") {
  const thaw::ItemSequences data = elmrec::generate_sequences(), again = elmrec::generate_sequences();
  CHECK(data.lists.ids == again.lists.ids);
  std::set<std::int32_t> met;
  for (std::int32_t user = 0; user < data.users(); ++user) {
    const auto row = data.of(user);
    CHECK(row.size() >= 5);
    CHECK(std::set<std::int32_t>(row.begin(), row.end()).size() == row.size());
    met.insert(row.begin(), row.end());
  }
  CHECK(static_cast<std::int32_t>(met.size()) == data.items);
  CHECK(*met.rbegin() + 1 == data.items);
}
