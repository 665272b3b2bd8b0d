// PopularityPredictor: the number of visible ratings of an item, the same for every user.
//
//   thaw::PopularityPredictor popularity(visible.by_item);
//   popularity.score(user, items, out);      // an order, not a rating
//   popularity.score_from({}, items, out);   // the same, for a user whom nobody knows
//
// Ratings are ignored on purpose, only how many there are counts. Of little use for cold items: most have no rating.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

class PopularityPredictor {
 public:
  static constexpr bool kPredictsRatings = false;

  explicit PopularityPredictor(const Csr& by_item) : counts_(static_cast<std::size_t>(by_item.rows())) {
    for (std::int32_t item = 0; item < by_item.rows(); ++item)
      counts_[static_cast<std::size_t>(item)] = static_cast<float>(by_item.row(item).size());
  }

  // out[i] = number of visible ratings of items[i].
  void score(std::int32_t /*user*/, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "PopularityPredictor: room for ", out.size(), " of ", items.size(), " items");
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = counts_[static_cast<std::size_t>(items[i])];
  }

  std::int32_t item_count() const { return static_cast<std::int32_t>(counts_.size()); }
  // As any scorer of histories; the history changes nothing.
  void score_from(std::span<const std::int32_t> /*history*/, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    score(0, items, out);
  }

 private:
  std::vector<float> counts_;
};

}  // namespace thaw::inline v0
