// MetaTlTasks: users' supports as transitions between consecutive items, in index lists that one pass of MetaTL reads.
//
//   auto tasks = hyperrs::MetaTlTasks::make(items, episodes, /*channels*/ 9, arena);
//
// K support items in order give K - 1 transitions (i_j, i_j+1), each with one negative tail: negative j of the support,
// from the front again when there are fewer. Query item q is asked as (i_K, q) with negative q of the query. A user
// with fewer than two support items has no transitions; without negatives there is nothing to rank and no loss.
#pragma once

#include <algorithm>

#include "hyperrs/item_codes.hpp"

namespace hyperrs {

struct MetaTlTasks {
  thaw::Index users = 0, transitions = 0, queries = 0, channels = 0;
  thaw::Index ranked_users = 0;  // who have a query with negatives
  // heads, tails and negative tails of the transitions; each user's last item; items asked, their negatives
  ItemBags items;
  thaw::Bags position;     // (transitions) j inside its user
  thaw::Bags at_position;  // (channels) the mean over the transitions at j
  thaw::Bags user;         // (transitions) whose
  thaw::Bags of_user;      // (users) the mean over the user's transitions
  thaw::Bags ranked;       // (users) the same where there are negatives, else zero
  thaw::Bags asked_user;   // (queries) whose
  thaw::Bags of_asked;     // (users) the mean over the user's queries, zero without negatives

  static MetaTlTasks make(const KnownItems& known, std::span<const thaw::Episode> episodes, thaw::Index channels,
                          thaw::Arena& arena);
};

namespace detail {

class MetaTlTaskBuilder {
 public:
  MetaTlTaskBuilder(const KnownItems& items, std::span<const thaw::Episode> of, thaw::Index most, thaw::Arena& memory)
      : known_(items), episodes_(of), channels_(most), arena_(memory) {}
  MetaTlTasks build() {
    out_.users = static_cast<thaw::Index>(episodes_.size());
    out_.channels = channels_;
    for (const thaw::Episode& e : episodes_) {
      out_.transitions += transitions_of(e);
      out_.queries += static_cast<thaw::Index>(e.query.items.size());
      out_.ranked_users += !e.query.items.empty() && !e.query.negatives.empty();
    }
    list_items();
    group_transitions();
    group_queries();
    return out_;
  }

 private:
  // The latest `channels_` transitions count.
  thaw::Index transitions_of(const thaw::Episode& e) const {
    const auto items = static_cast<thaw::Index>(e.support.items.size());
    return (std::min)((std::max)(items - 1, thaw::Index(0)), channels_);
  }
  std::int32_t* ids(thaw::Index count) { return arena_.take<std::int32_t>(count); }

  static std::int32_t cyclic(const std::vector<std::int32_t>& from, thaw::Index i) {
    return from.empty() ? -1 : from[static_cast<std::size_t>(i) % from.size()];
  }
  void list_items() {
    const thaw::Index n = out_.transitions, u = out_.users, q = out_.queries, count = 3 * n + u + 2 * q;
    std::int32_t* list = ids(count);
    thaw::Index at = 0, asked = 0, user = 0;
    for (const thaw::Episode& e : episodes_) {
      const auto& items = e.support.items;
      const thaw::Index size = transitions_of(e);
      const std::size_t first = items.empty() ? 0 : items.size() - 1 - static_cast<std::size_t>(size);
      for (thaw::Index j = 0; j < size; ++j, ++at) {
        list[at] = items[first + static_cast<std::size_t>(j)];
        list[n + at] = items[first + static_cast<std::size_t>(j) + 1];
        list[2 * n + at] = cyclic(e.support.negatives, j);
      }
      list[3 * n + user++] = items.empty() ? -1 : items.back();
      for (std::size_t k = 0; k < e.query.items.size(); ++k, ++asked) {
        list[3 * n + u + asked] = e.query.items[k];
        list[3 * n + u + q + asked] = cyclic(e.query.negatives, static_cast<thaw::Index>(k));
      }
    }
    out_.items = known_.bags({list, static_cast<std::size_t>(count)}, arena_);
  }
  void group_transitions() {
    std::int32_t *position = ids(out_.transitions), *user = ids(out_.transitions), *each = ids(out_.transitions),
                 *ranked = ids(out_.transitions), *offsets = ids(out_.users + 1);
    std::int32_t at = 0;
    for (thaw::Index u = 0; u < out_.users; ++u) {
      const thaw::Episode& e = episodes_[static_cast<std::size_t>(u)];
      offsets[u] = at;
      for (thaw::Index j = 0; j < transitions_of(e); ++j, ++at) {
        position[at] = static_cast<std::int32_t>(j);
        user[at] = static_cast<std::int32_t>(u);
        each[at] = at;
        ranked[at] = e.support.negatives.empty() ? -1 : at;
      }
    }
    offsets[out_.users] = at;
    out_.position = {position, nullptr, out_.transitions, false};
    out_.user = {user, nullptr, out_.transitions, false};
    out_.of_user = {each, offsets, out_.users, true};
    out_.ranked = {ranked, offsets, out_.users, true};
    out_.at_position = by_position(position);
  }
  thaw::Bags by_position(const std::int32_t* position) {
    std::int32_t *rows = ids(out_.transitions), *offsets = ids(channels_ + 1);
    std::int32_t at = 0;
    for (thaw::Index j = 0; j < channels_; ++j) {
      offsets[j] = at;
      for (thaw::Index t = 0; t < out_.transitions; ++t)
        if (position[t] == j) rows[at++] = static_cast<std::int32_t>(t);
    }
    offsets[channels_] = at;
    return {rows, offsets, channels_, true};
  }
  void group_queries() {
    std::int32_t *user = ids(out_.queries), *rows = ids(out_.queries), *offsets = ids(out_.users + 1);
    std::int32_t at = 0;
    for (thaw::Index u = 0; u < out_.users; ++u) {
      const thaw::Episode& e = episodes_[static_cast<std::size_t>(u)];
      offsets[u] = at;
      for (std::size_t k = 0; k < e.query.items.size(); ++k, ++at) {
        user[at] = static_cast<std::int32_t>(u);
        rows[at] = e.query.negatives.empty() ? -1 : at;
      }
    }
    offsets[out_.users] = at;
    out_.asked_user = {user, nullptr, out_.queries, false};
    out_.of_asked = {rows, offsets, out_.users, true};
  }

  const KnownItems& known_;
  std::span<const thaw::Episode> episodes_;
  thaw::Index channels_;
  thaw::Arena& arena_;
  MetaTlTasks out_{};
};

}  // namespace detail

inline MetaTlTasks MetaTlTasks::make(const KnownItems& known, std::span<const thaw::Episode> episodes,
                                     thaw::Index channels, thaw::Arena& arena) {
  return detail::MetaTlTaskBuilder(known, episodes, channels, arena).build();
}

}  // namespace hyperrs
