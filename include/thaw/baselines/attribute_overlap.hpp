// AttributeOverlapPredictor: how much an item's attributes overlap with those of the items a user touched.
//
//   const thaw::AttributeOverlapPredictor overlap(item_attributes, thaw::ValueWeight::rarity);
//   overlap.score_from(support_items, candidates, out);
//
//   score(j) = mean over the history items i of cos(a_i, a_j)          a: all attribute values side by side, weighted
//
// Divided by the length of the mean profile this is the cosine of the history's bag of attributes and the candidate's;
// the order is the same. Nothing is learned and no interaction is read, so it works for items that nobody touched yet:
// the bar for every method that claims to. An item without attributes scores 0. Predicts no ratings.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/baselines/history_scorer.hpp"
#include "thaw/graph/attribute_profiles.hpp"

namespace thaw::inline v0 {

class AttributeOverlapPredictor {
 public:
  static constexpr bool kPredictsRatings = false;

  // Every attribute must cover the same items. Keeps no reference.
  explicit AttributeOverlapPredictor(std::span<const AttributeView> item_attributes,
                                     ValueWeight weight = ValueWeight::rarity)
      : profiles_(item_attributes, weight) {}

  std::int32_t item_count() const { return profiles_.size(); }

  // Safe from many threads.
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    detail::check_history("AttributeOverlapPredictor", item_count(), history, items, out);
    std::vector<float> sums(static_cast<std::size_t>(item_count()), 0.0F);
    for (const std::int32_t item : history) profiles_.add_similarities(item, sums);
    const float share = history.empty() ? 0.0F : 1.0F / static_cast<float>(history.size());
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = share * sums[static_cast<std::size_t>(items[i])];
  }

 private:
  AttributeProfiles profiles_;
};

static_assert(HistoryScorer<AttributeOverlapPredictor>);

}  // namespace thaw::inline v0
