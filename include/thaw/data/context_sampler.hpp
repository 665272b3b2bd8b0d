// ContextSampler: prediction contexts, small blocks of users x items around one target user.
//
//   thaw::ContextSampler sampler(visible, {.users = 32, .items = 32});
//   thaw::Philox rng = thaw::context_rng(seed, epoch, index);
//   sampler.neighbourhood(target, query_items, rng, context);      // context.users[0] == target
//   thaw::ContextCells cells;
//   thaw::read_cells(context, truth.by_user, cells);               // context_cells.hpp
//
// A context depends on the graph, the arguments and the generator alone: what was sampled before, or on which thread,
// changes nothing. The sampler sees only the graph it is given, so give it the ratings that may be seen: a hidden
// rating in that graph leaks its existence. One sampler a thread. Not a negative sampler.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/attribute_profiles.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw::inline v0 {

// Distinct users, the target first, and distinct items. The first `queries` items are query items in the order given
// (the overlap sampler draws among them instead, so there it is 0).
struct Context {
  std::vector<std::int32_t> users;
  std::vector<std::int32_t> items;
  std::int32_t queries = 0;
};

// The generator of one context. Give each epoch and index its own: then contexts can be made in any order, by any
// thread.
inline Philox context_rng(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index) {
  return Philox(Key{seed}.fold(epoch).fold(index));
}

struct ContextOptions {
  std::int32_t users = 32;  // n
  std::int32_t items = 32;  // m
  std::int32_t most_queries =
      0;  // query items in one context; 0 stands for items - 1, which leaves room for a support item
  std::int32_t overlap_pool = 0;  // users with the largest overlap to draw from; 0 stands for 2 n
};

namespace detail {

// One side of a context under construction: what may be added, what has been, and how much room is left.
class ContextSide {
 public:
  // `allowed` empty: everybody. Entities outside `allowed` enter a context only when named (target, query items).
  void prepare(std::int32_t count, std::span<const std::int32_t> allowed) {
    chosen_mark_.assign(static_cast<std::size_t>(count), 0);
    seen_mark_.assign(static_cast<std::size_t>(count), 0);
    is_allowed_.assign(static_cast<std::size_t>(count), allowed.empty() ? std::uint8_t{1} : std::uint8_t{0});
    pool_.clear();
    if (allowed.empty()) {
      for (std::int32_t e = 0; e < count; ++e) pool_.push_back(e);
    }
    for (const std::int32_t e : allowed) {
      require(e >= 0 && e < count, "ContextSampler: allowed id ", e, " is not below ", count);
      if (is_allowed_[static_cast<std::size_t>(e)] == 0) pool_.push_back(e);
      is_allowed_[static_cast<std::size_t>(e)] = 1;
    }
    candidates_.reserve(static_cast<std::size_t>(count));
  }
  void begin(std::vector<std::int32_t>& out, std::int32_t room) {
    if (++now_ == 0) {  // the stamp came round: forget all marks once
      std::fill(chosen_mark_.begin(), chosen_mark_.end(), 0u);
      std::fill(seen_mark_.begin(), seen_mark_.end(), 0u);
      now_ = 1;
    }
    out_ = &out;
    out.clear();
    room_ = static_cast<std::size_t>(room);
    out.reserve(room_);
    candidates_.clear();
  }

  std::size_t left() const { return room_ - out_->size(); }
  bool is_chosen(std::int32_t e) const { return chosen_mark_[static_cast<std::size_t>(e)] == now_; }
  bool is_allowed(std::int32_t e) const { return is_allowed_[static_cast<std::size_t>(e)] != 0; }
  std::span<const std::int32_t> pool() const { return pool_; }

  // Adds an entity, allowed or not; false when it is in already or there is no room.
  bool add(std::int32_t e) {
    require(e >= 0 && static_cast<std::size_t>(e) < chosen_mark_.size(), "ContextSampler: id ", e, " is not below ",
            chosen_mark_.size());
    if (left() == 0 || is_chosen(e)) return false;
    chosen_mark_[static_cast<std::size_t>(e)] = now_;
    out_->push_back(e);
    return true;
  }
  // Notes a candidate of this hop, once. Candidates that are not allowed or already in are passed over.
  void offer(std::int32_t e) {
    const auto at = static_cast<std::size_t>(e);
    if (is_allowed_[at] == 0 || chosen_mark_[at] == now_ || seen_mark_[at] == now_) return;
    seen_mark_[at] = now_;
    candidates_.push_back(e);
  }
  std::size_t offered() const { return candidates_.size(); }
  // Adds all candidates, or a uniform subset of exactly the room that is left; then forgets them.
  void take_offered(Philox& rng) {
    const std::size_t take = (std::min)(left(), candidates_.size());
    for (std::size_t i = 0; i < take; ++i) {
      const auto rest = static_cast<std::uint32_t>(candidates_.size() - i);
      if (take < candidates_.size()) std::swap(candidates_[i], candidates_[i + rng.below(rest)]);
      add(candidates_[i]);
    }
    for (const std::int32_t e : candidates_) seen_mark_[static_cast<std::size_t>(e)] = 0;
    candidates_.clear();
  }
  // Fills the room with allowed entities, uniformly without replacement.
  void fill(Philox& rng) {
    if (2 * room_ <= pool_.size()) {  // at least every second draw is new
      while (left() > 0) add(pool_[rng.below(static_cast<std::uint32_t>(pool_.size()))]);
      return;
    }
    for (const std::int32_t e : pool_) offer(e);
    take_offered(rng);
  }

 private:
  std::vector<std::uint32_t> chosen_mark_;  // == now_: in the context
  std::vector<std::uint32_t> seen_mark_;    // == now_: among the candidates
  std::vector<std::uint8_t> is_allowed_;
  std::vector<std::int32_t> pool_;
  std::vector<std::int32_t> candidates_;
  std::vector<std::int32_t>* out_ = nullptr;
  std::size_t room_ = 0;
  std::uint32_t now_ = 0;
};

}  // namespace detail

// Query items must be distinct; those beyond `most_queries` are left for another context. Contexts have exactly `users`
// users and `items` items, fewer only where the data or the allowed lists have fewer. After the largest context has
// been made once, none of the samplers allocates.
class ContextSampler {
 public:
  // `allowed_users` and `allowed_items` (empty: all) limit whom a sampler may add by itself; the target and the query
  // items need not be in them. The graph must outlive the sampler.
  ContextSampler(const RatingGraph& visible, const ContextOptions& options,
                 std::span<const std::int32_t> allowed_users = {}, std::span<const std::int32_t> allowed_items = {})
      : visible_(visible), options_(options) {
    require(options.users > 0 && options.items > 0, "ContextSampler: a context of ", options.users, " x ",
            options.items, " is empty");
    if (options_.most_queries == 0) options_.most_queries = (std::max)(1, options.items - 1);
    if (options_.overlap_pool == 0) options_.overlap_pool = 2 * options.users;
    require(options_.most_queries <= options.items, "ContextSampler: ", options_.most_queries,
            " query items do not fit into a context of ", options.items, " items");
    users_.prepare(visible.user_count(), allowed_users);
    items_.prepare(visible.item_count(), allowed_items);
    overlap_.assign(static_cast<std::size_t>(visible.user_count()), 0);
    ranked_.reserve(static_cast<std::size_t>((std::max)(visible.user_count(), visible.item_count())));
    touched_.reserve(static_cast<std::size_t>(visible.user_count()));
  }
  ContextSampler(RatingGraph&&, const ContextOptions&, std::span<const std::int32_t> = {},
                 std::span<const std::int32_t> = {}) = delete;

  // How many query items one context takes; more query items need more contexts.
  std::int32_t most_queries() const { return options_.most_queries; }

  // Hop by hop from the target and its query items over visible ratings: the users who rated an item of the frontier
  // and the items rated by a user of it, all of them or a uniform subset of the room left; the newly added ones are the
  // next frontier. Where the walk ends early the rest is uniform.
  void neighbourhood(std::int32_t target, std::span<const std::int32_t> queries, Philox& rng, Context& out) {
    begin(target, queries, out);
    std::size_t user_frontier = 0;
    std::size_t item_frontier = 0;
    while (users_.left() > 0 || items_.left() > 0) {
      const std::size_t user_end = out.users.size();
      const std::size_t item_end = out.items.size();
      if (user_frontier == user_end && item_frontier == item_end) break;
      // Both sides are walked from the same frontier before either grows.
      if (users_.left() > 0)
        for (; item_frontier < item_end; ++item_frontier)
          for (const Csr::Edge& edge : visible_.by_item.row(out.items[item_frontier])) users_.offer(edge.column);
      if (items_.left() > 0)
        for (; user_frontier < user_end; ++user_frontier)
          for (const Csr::Edge& edge : visible_.by_user.row(out.users[user_frontier])) items_.offer(edge.column);
      item_frontier = item_end;
      user_frontier = user_end;
      users_.take_offered(rng);
      items_.take_offered(rng);
    }
    users_.fill(rng);
    items_.fill(rng);
  }

  // The way released code does it: m of the target's items (all of them in random order when there are fewer, then
  // uniform ones), the 2 n users who rated most of these items, n of them at random. `own_items` is what counts as the
  // target's items; published results used all his ratings, hidden ones too, over a graph that held them.
  void overlap(std::int32_t target, std::span<const std::int32_t> own_items, Philox& rng, Context& out) {
    users_.begin(out.users, options_.users);
    items_.begin(out.items, options_.items);
    out.queries = 0;
    users_.add(target);
    ranked_.clear();
    for (const std::int32_t item : own_items) ranked_.push_back({0, 0, item});
    for (std::size_t i = 0; i < ranked_.size() && items_.left() > 0; ++i) {
      std::swap(ranked_[i], ranked_[i + rng.below(static_cast<std::uint32_t>(ranked_.size() - i))]);
      items_.add(ranked_[i].entity);
    }
    items_.fill(rng);
    rank_by_overlap(out.items, rng);
    const auto pool = static_cast<std::uint32_t>(ranked_.size());
    const auto draws = (std::min)(pool, static_cast<std::uint32_t>(options_.users));
    for (std::uint32_t i = 0; i < draws; ++i) {
      std::swap(ranked_[i], ranked_[i + rng.below(pool - i)]);
      users_.add(ranked_[i].entity);  // the target himself, if drawn, and what has no room any more are passed over
    }
    users_.fill(rng);
  }

  // Target and query items, the rest uniform among the allowed. The lower bar of the other samplers.
  void uniform(std::int32_t target, std::span<const std::int32_t> queries, Philox& rng, Context& out) {
    begin(target, queries, out);
    users_.fill(rng);
    items_.fill(rng);
  }

  // Target and query items, then the users most similar to the target and the items most similar to the query items
  // (mean cosine); equal similarities at random. Sees no rating at all. A side without profiles is filled uniformly.
  void attribute_similarity(std::int32_t target, std::span<const std::int32_t> queries,
                            const AttributeProfiles& user_profiles, const AttributeProfiles& item_profiles, Philox& rng,
                            Context& out) {
    begin(target, queries, out);
    add_most_similar(users_, user_profiles, out.users, rng);
    add_most_similar(items_, item_profiles, out.items, rng);
    users_.fill(rng);
    items_.fill(rng);
  }

 private:
  struct Ranked {
    float score;
    std::uint32_t tie_break;
    std::int32_t entity;
  };
  static bool ranks_before(const Ranked& a, const Ranked& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.tie_break != b.tie_break ? a.tie_break < b.tie_break : a.entity < b.entity;
  }
  void keep_best(std::size_t count) {
    if (ranked_.size() <= count) return;
    std::partial_sort(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(count), ranked_.end(),
                      ranks_before);
    ranked_.resize(count);
  }

  void begin(std::int32_t target, std::span<const std::int32_t> queries, Context& out) {
    users_.begin(out.users, options_.users);
    items_.begin(out.items, options_.items);
    users_.add(target);
    for (const std::int32_t item : queries.first((std::min)(queries.size(), std::size_t(options_.most_queries))))
      require(items_.add(item), "ContextSampler: query item ", item, " is listed twice");
    out.queries = static_cast<std::int32_t>(out.items.size());
  }
  // ranked_ = the allowed users with the largest number of these items, at most `overlap_pool`; ties at random.
  void rank_by_overlap(std::span<const std::int32_t> items, Philox& rng) {
    touched_.clear();
    for (const std::int32_t item : items)
      for (const Csr::Edge& edge : visible_.by_item.row(item)) {
        if (!users_.is_allowed(edge.column)) continue;
        if (overlap_[static_cast<std::size_t>(edge.column)]++ == 0) touched_.push_back(edge.column);
      }
    ranked_.clear();
    for (const std::int32_t user : touched_)
      ranked_.push_back({static_cast<float>(overlap_[static_cast<std::size_t>(user)]), rng.next(), user});
    const auto wanted = static_cast<std::size_t>(options_.overlap_pool);
    if (ranked_.size() < wanted)
      for (const std::int32_t user : users_.pool())
        if (overlap_[static_cast<std::size_t>(user)] == 0) ranked_.push_back({0, rng.next(), user});
    keep_best(wanted);
    for (const std::int32_t user : touched_) overlap_[static_cast<std::size_t>(user)] = 0;
  }
  // Grows a side by the entities nearest to those already in it.
  void add_most_similar(detail::ContextSide& side, const AttributeProfiles& profiles,
                        const std::vector<std::int32_t>& group, Philox& rng) {
    if (profiles.size() == 0) return;
    similarity_.assign(static_cast<std::size_t>(profiles.size()), 0.0f);
    for (const std::int32_t e : group) profiles.add_similarities(e, similarity_);
    ranked_.clear();
    for (const std::int32_t e : side.pool())
      if (!side.is_chosen(e)) ranked_.push_back({similarity_[static_cast<std::size_t>(e)], rng.next(), e});
    keep_best(side.left());
    for (const Ranked& near : ranked_) side.add(near.entity);
  }

  const RatingGraph& visible_;
  ContextOptions options_;
  detail::ContextSide users_;
  detail::ContextSide items_;
  std::vector<std::int32_t> overlap_;  // (users), zeros between contexts
  std::vector<std::int32_t> touched_;
  std::vector<Ranked> ranked_;
  std::vector<float> similarity_;
};

}  // namespace thaw::inline v0
