// ItemSequences: what each user touched, oldest first; the form of next-item data sets, with the leave-one-out split.
//
//   thaw::Result<thaw::ItemSequences> beauty = thaw::read_item_sequences("amazon-beauty/sequential.txt");
//   for (std::int32_t user = 0; user < beauty.value().users(); ++user)
//     if (beauty.value().has_test(user)) use(beauty.value().train(user), beauty.value().test(user));
//   auto number = thaw::number_items(beauty.value(), thaw::ItemNumbering::random, /*seed*/ 1);
//
// A file has lines "user item item ...", plain or gzip, ids dense from 1; in memory they start at 0. The last item of a
// user is the test, the last but one validation, the rest training; users with fewer than three items are for training
// alone. An item twice in a row, an item or user that is left out, and what is not a number are faults. Not for
// ratings, nor for raw ids that are not dense.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/data/split_lists.hpp"

namespace thaw::inline v0 {

struct ItemSequences {
  std::string name;
  std::int32_t items = 0;  // item ids are 0 .. items - 1
  IdLists lists;           // (users) rows of items, oldest first: not sorted

  std::int32_t users() const { return lists.rows(); }
  std::int64_t interactions() const { return static_cast<std::int64_t>(lists.ids.size()); }
  std::span<const std::int32_t> of(std::int32_t user) const { return lists.row(user); }

  bool has_test(std::int32_t user) const { return of(user).size() >= 3; }
  std::span<const std::int32_t> train(std::int32_t user) const {
    return of(user).first(of(user).size() - (has_test(user) ? 2 : 0));
  }
  std::span<const std::int32_t> train_and_validation(std::int32_t user) const {
    return of(user).first(of(user).size() - (has_test(user) ? 1 : 0));
  }
  // Only for users with has_test().
  std::int32_t validation(std::int32_t user) const { return of(user)[of(user).size() - 2]; }
  std::int32_t test(std::int32_t user) const { return of(user).back(); }
};

namespace detail {

inline Result<Done> check_sequence_rows(const std::vector<std::vector<std::int32_t>>& rows, std::int32_t items,
                                        std::string_view name) {
  std::vector<std::int32_t> last_row(static_cast<std::size_t>(items), -1);
  for (std::size_t user = 0; user < rows.size(); ++user) {
    if (rows[user].empty())
      return make_fault(FaultKind::malformed, shown_path(name), ": user ", user + 1,
                        " has no items; users are dense, from 1, each with a line of her own");
    const auto mark = static_cast<std::int32_t>(user);
    for (const std::int32_t item : rows[user])
      if (std::exchange(last_row[static_cast<std::size_t>(item)], mark) == mark)
        return make_fault(FaultKind::malformed, shown_path(name), ": user ", user + 1, " has item ", item + 1,
                          " twice; expected each item once a user");
  }
  const auto unused = std::find(last_row.begin(), last_row.end(), -1);
  if (unused != last_row.end())
    return make_fault(FaultKind::malformed, shown_path(name), ": item ", unused - last_row.begin() + 1,
                      " is in no sequence; items are dense, from 1 to ", items);
  return Done{};
}

}  // namespace detail

// A text that is already in memory.
inline Result<ItemSequences> parse_item_sequences(std::string_view text, std::string_view name) {
  Result<detail::ListParser::Lists> read = detail::ListParser(name, {.first_id = 1}).parse(text);
  if (!read) return read.fault();
  const auto& rows = read.value().rows;
  if (const auto checked = detail::check_sequence_rows(rows, read.value().items, name); !checked)
    return checked.fault();
  ItemSequences out;
  out.name = std::string(name);
  out.items = read.value().items;
  out.lists.offsets.assign(1, 0);
  for (const std::vector<std::int32_t>& row : rows) {
    out.lists.ids.insert(out.lists.ids.end(), row.begin(), row.end());
    out.lists.offsets.push_back(static_cast<std::int64_t>(out.lists.ids.size()));
  }
  return out;
}

inline Result<ItemSequences> read_item_sequences(const std::string& path) {
  const std::string file = plain_or_gzip(path);
  const Result<std::string> text = read_text_file(file);
  if (!text) return text.fault();
  return parse_item_sequences(text.value(), file);
}

// How items are numbered where a model reads or writes the digits of a number.
enum class ItemNumbering : std::uint8_t {
  random,          // a permutation by seed: numbers say nothing
  training_order,  // by first appearance in the training parts, user after user; unseen items behind, at random
  as_given,        // the ids of the file. Published files count by first appearance over whole sequences, the test
                   // items among them: a model can then guess the answer from the largest number it sees
};

// number[item], a permutation of 0 .. items - 1.
inline std::vector<std::int32_t> number_items(const ItemSequences& data, ItemNumbering numbering, std::uint64_t seed) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(data.items));  // item of each number
  std::iota(order.begin(), order.end(), 0);
  if (numbering != ItemNumbering::as_given) Philox(Key{seed}.fold(0x6e756d626572)).shuffle(order);
  if (numbering == ItemNumbering::training_order) {
    std::vector<std::uint8_t> met(order.size(), 0);
    std::vector<std::int32_t> first;
    first.reserve(order.size());
    const auto meet = [&](std::int32_t item) {
      if (std::exchange(met[static_cast<std::size_t>(item)], std::uint8_t{1}) == 0) first.push_back(item);
    };
    for (std::int32_t user = 0; user < data.users(); ++user)
      for (const std::int32_t item : data.train(user)) meet(item);
    for (const std::int32_t item : order) meet(item);
    order = std::move(first);
  }
  std::vector<std::int32_t> number(order.size());
  for (std::size_t n = 0; n < order.size(); ++n)
    number[static_cast<std::size_t>(order[n])] = static_cast<std::int32_t>(n);
  return number;
}

}  // namespace thaw::inline v0
