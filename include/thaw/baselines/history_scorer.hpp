// HistoryScorer: what a recommender offers that knows a user by nothing but the items she touched.
//
//   static_assert(thaw::HistoryScorer<thaw::EasePredictor>);
//   ease.score_from(support_items, candidates, out);               // a user whom training never saw
//   thaw::HistoryOfUser known(visible.by_user, ease);              // users of the graph, by number:
//   known.score(user, candidates, out);                            // as every predictor of this folder
//
// Scores are an order, not ratings; equal histories get equal scores. An empty history scores 0 everywhere. Not for
// methods with an embedding for each user.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

// score_from(history, items, out): out[i] for items[i]; the history lists each item once, in any order.
template <class T>
concept HistoryScorer = requires(const T& scorer, std::span<const std::int32_t> ids, std::span<float> out) {
  scorer.score_from(ids, ids, out);
  { scorer.item_count() } -> std::convertible_to<std::int32_t>;
};

// Scores the users of a graph by their rows in it. Keeps references to both.
template <HistoryScorer Scorer>
class HistoryOfUser {
 public:
  static constexpr bool kPredictsRatings = false;

  HistoryOfUser(const Csr& by_user, const Scorer& scorer) : by_user_(by_user), scorer_(scorer) {}
  // A temporary would be gone before the first score.
  HistoryOfUser(Csr&&, const Scorer&) = delete;
  HistoryOfUser(const Csr&, Scorer&&) = delete;

  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(user >= 0 && user < by_user_.rows(), "HistoryOfUser: user ", user, " of ", by_user_.rows());
    std::vector<std::int32_t> history;
    for (const Csr::Edge& edge : by_user_.row(user))
      if (history.empty() || history.back() != edge.column) history.push_back(edge.column);
    scorer_.score_from(history, items, out);
  }

 private:
  const Csr& by_user_;
  const Scorer& scorer_;
};

namespace detail {

// What every score_from requires of its arguments.
inline void check_history(const char* scorer, std::int32_t item_count, std::span<const std::int32_t> history,
                          std::span<const std::int32_t> items, std::span<float> out) {
  require(items.size() == out.size(), scorer, ": room for ", out.size(), " of ", items.size(), " items");
  for (const std::int32_t item : history)
    require(item >= 0 && item < item_count, scorer, ": item ", item, " in the history, known are 0 to ",
            item_count - 1);
  for (const std::int32_t item : items)
    require(item >= 0 && item < item_count, scorer, ": asked for item ", item, ", known are 0 to ", item_count - 1);
}

}  // namespace detail

}  // namespace thaw::inline v0
