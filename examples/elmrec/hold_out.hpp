// New users and new items: what training may see when 10 % of both are held out entirely, and what is asked of them.
//
//   const elmrec::HoldOut held = elmrec::hold_out(data, {.share = 0.1, .seed = 1});
//   train(held.learn);                                               // an ItemSequences: its training parts alone
//   elmrec::Questions q = held.new_users(data, /*shown*/ 2, {});     // after two interactions
//   elmrec::Questions n = held.new_items(data, {});                  // a new item among 99 other new items
//   thaw::Interactions x = held.with_evidence(/*shown*/ 3);          // and up to 3 interactions of each new item
//
// New users are in no training list; new items are taken out of everybody's. A question about new users asks for her
// next known item after the first `shown` ones. A question about new items asks users of one half (those who are asked)
// for the last new item they took; only users of the other half may give evidence on new items, so that no asked pair
// is ever an edge.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <numeric>
#include <utility>
#include <vector>

#include "elmrec/evaluation.hpp"

namespace elmrec {

struct HoldOutOptions {
  double share = 0.1;
  std::uint64_t seed = 1;
};

class HoldOut {
 public:
  std::vector<std::uint8_t> is_new_user, is_new_item, is_asked;  // (users), (items), (users)
  thaw::ItemSequences learn;                                     // new users have no items; read train() only

  // Her first `shown` known items, the one after them, and negatives among the known items.
  Questions new_users(const thaw::ItemSequences& data, std::size_t shown, const QuestionOptions& o) {
    Questions out;
    for (std::int32_t user = 0; user < data.users(); ++user) {
      if (is_new_user[at(user)] == 0) continue;
      std::vector<std::int32_t> known;
      for (const std::int32_t item : data.of(user))
        if (is_new_item[at(item)] == 0 && known.size() <= shown) known.push_back(item);
      if (known.size() <= shown) continue;
      kept_.push_back(std::move(known));
      const std::span<const std::int32_t> held = kept_.back();
      out.list.push_back({out.list.size(), user, held.first(shown), held[shown]});
      out.negatives.push_back(negatives(data, user, o, 0));
    }
    return out;
  }
  // To choose by: known users' validation items that are known, after what training knows of them. Views into `learn`.
  Questions validation(const thaw::ItemSequences& data, const QuestionOptions& o) const {
    Questions out;
    std::vector<std::int32_t> users;
    for (std::int32_t user = 0; user < data.users(); ++user)
      if (is_new_user[at(user)] == 0 && data.has_test(user) && is_new_item[at(data.validation(user))] == 0 &&
          !learn.train(user).empty())
        users.push_back(user);
    if (o.most_users > 0 && o.most_users < static_cast<std::int32_t>(users.size())) {
      thaw::Philox(o.seed, 0x7573657273).shuffle(users);
      users.resize(static_cast<std::size_t>(o.most_users));
      std::sort(users.begin(), users.end());
    }
    for (const std::int32_t user : users) {
      out.list.push_back({out.list.size(), user, learn.train(user), data.validation(user)});
      out.negatives.push_back(negatives(data, user, o, 0));
    }
    return out;
  }
  // The user's last new item against other new items, after what training knows of her.
  Questions new_items(const thaw::ItemSequences& data, const QuestionOptions& o) const {
    Questions out;
    for (std::int32_t user = 0; user < data.users(); ++user) {
      if (is_new_user[at(user)] != 0 || is_asked[at(user)] == 0) continue;
      std::int32_t answer = -1;
      for (const std::int32_t item : data.of(user))
        if (is_new_item[at(item)] != 0) answer = item;
      if (answer < 0 || learn.train(user).empty()) continue;
      out.list.push_back({out.list.size(), user, learn.train(user), answer});
      out.negatives.push_back(negatives(data, user, o, 1));
    }
    return out;
  }
  // Users who may tell about a new item, at most `shown`, drawn by seed.
  std::vector<std::int32_t> evidence(std::int32_t item, std::size_t shown) const {
    std::vector<std::int32_t> users = tellers_[at(item)];
    thaw::Philox(seed_, static_cast<std::uint64_t>(item)).shuffle(users);
    users.resize((std::min)(users.size(), shown));
    std::sort(users.begin(), users.end());
    return users;
  }
  thaw::Result<thaw::Interactions> with_evidence(std::size_t shown) const {
    std::vector<thaw::Rating> pairs;
    for (std::int32_t user = 0; user < learn.users(); ++user)
      for (const std::int32_t item : learn.train(user)) pairs.push_back({user, item, 1.0f});
    for (std::int32_t item = 0; item < learn.items; ++item)
      if (is_new_item[at(item)] != 0)
        for (const std::int32_t user : evidence(item, shown)) pairs.push_back({user, item, 1.0f});
    return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(pairs, learn.users(), learn.items));
  }

 private:
  friend HoldOut hold_out(const thaw::ItemSequences& data, const HoldOutOptions& o);

  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
  std::vector<std::int32_t> negatives(const thaw::ItemSequences& data, std::int32_t user, const QuestionOptions& o,
                                      std::uint8_t wanted) const {
    std::vector<std::int32_t> out;
    const auto list = data.of(user);
    const std::vector<std::int32_t>& pool = wanted != 0 ? new_items_ : known_items_;
    thaw::Philox rng(thaw::Key{o.seed}.fold(0x68656c64 + wanted).bits, static_cast<std::uint64_t>(user));
    std::vector<std::int32_t> order = pool;
    for (std::size_t left = order.size(); left > 0 && out.size() < o.negatives; --left) {
      const std::size_t pick = rng.below(static_cast<std::uint32_t>(left));
      std::swap(order[pick], order[left - 1]);
      if (std::find(list.begin(), list.end(), order[left - 1]) == list.end()) out.push_back(order[left - 1]);
    }
    return out;
  }

  std::uint64_t seed_ = 1;
  std::vector<std::int32_t> known_items_, new_items_;
  std::vector<std::vector<std::int32_t>> tellers_;  // (items) for new items
  std::deque<std::vector<std::int32_t>> kept_;      // histories that questions point into
};

// Users and items are drawn by seed. Errors are the caller's: a share outside 0 .. 0.5.
inline HoldOut hold_out(const thaw::ItemSequences& data, const HoldOutOptions& o) {
  thaw::require(o.share > 0 && o.share <= 0.5, "hold_out: the share must be above 0 and at most 0.5");
  HoldOut out;
  out.seed_ = thaw::Key{o.seed}.fold(0x65766964656e6365).bits;
  const auto draw = [&](std::int32_t count, double share, std::uint64_t stream) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    thaw::Philox(thaw::Key{o.seed}.fold(0x6e6577).bits, stream).shuffle(order);
    std::vector<std::uint8_t> drawn(order.size(), 0);
    const auto size = static_cast<std::size_t>(share * static_cast<double>(count));
    for (std::size_t i = 0; i < size; ++i) drawn[static_cast<std::size_t>(order[i])] = 1;
    return drawn;
  };
  out.is_new_user = draw(data.users(), o.share, 1);
  out.is_new_item = draw(data.items, o.share, 2);
  out.is_asked = draw(data.users(), 0.5, 3);
  out.tellers_.resize(static_cast<std::size_t>(data.items));
  for (std::int32_t item = 0; item < data.items; ++item)
    (out.is_new_item[HoldOut::at(item)] != 0 ? out.new_items_ : out.known_items_).push_back(item);
  out.learn.name = data.name;
  out.learn.items = data.items;
  out.learn.lists.offsets.assign(1, 0);
  for (std::int32_t user = 0; user < data.users(); ++user) {
    std::vector<std::int32_t>& ids = out.learn.lists.ids;
    const std::size_t before = ids.size();
    if (out.is_new_user[HoldOut::at(user)] == 0) {
      for (const std::int32_t item : data.train(user)) {
        if (out.is_new_item[HoldOut::at(item)] == 0)
          ids.push_back(item);
        else if (out.is_asked[HoldOut::at(user)] == 0)
          out.tellers_[HoldOut::at(item)].push_back(user);
      }
      // train() of a row of three or more leaves out its last two: they stay, so that the rest is what may be learnt.
      if (ids.size() > before && data.has_test(user))
        ids.push_back(data.validation(user)), ids.push_back(data.test(user));
    }
    out.learn.lists.offsets.push_back(static_cast<std::int64_t>(ids.size()));
  }
  return out;
}

}  // namespace elmrec
