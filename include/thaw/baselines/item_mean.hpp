// ItemMeanPredictor: the mean visible rating of an item, drawn towards the global mean.
//
//   thaw::ItemMeanPredictor mean(visible, {.pseudo_ratings = 5});
//   mean.score(user, items, out);
//
// rating(u, i) = (sum of the ratings of i + c * mu) / (number of ratings of i + c), with c pseudo ratings and mu the
// mean of all visible ratings. Without c, a film with a single 5 would lead every list. The same for every user.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw::inline v0 {

class ItemMeanPredictor {
 public:
  static constexpr bool kPredictsRatings = true;

  struct Options {
    double pseudo_ratings = 5;
    double without_ratings = 3;  // mu when nothing is visible at all
  };
  explicit ItemMeanPredictor(const RatingGraph& visible, const Options& options)
      : means_(static_cast<std::size_t>(visible.item_count())) {
    require(options.pseudo_ratings > 0, "ItemMeanPredictor: pseudo_ratings must be positive, is ",
            options.pseudo_ratings);
    const double global = visible.mean(options.without_ratings);
    for (std::int32_t item = 0; item < visible.item_count(); ++item) {
      double sum = options.pseudo_ratings * global;
      const auto edges = visible.by_item.row(item);
      for (const Csr::Edge& edge : edges) sum += static_cast<double>(edge.value);
      means_[static_cast<std::size_t>(item)] =
          static_cast<float>(sum / (static_cast<double>(edges.size()) + options.pseudo_ratings));
    }
  }
  explicit ItemMeanPredictor(const RatingGraph& visible) : ItemMeanPredictor(visible, Options()) {}

  // out[i] = predicted rating of items[i].
  void score(std::int32_t /*user*/, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "ItemMeanPredictor: room for ", out.size(), " of ", items.size(), " items");
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = means_[static_cast<std::size_t>(items[i])];
  }

 private:
  std::vector<float> means_;
};

}  // namespace thaw::inline v0
