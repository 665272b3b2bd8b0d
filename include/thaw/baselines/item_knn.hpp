// ItemKnnPredictor: item-based nearest neighbours by the cosine of who touched both (Sarwar et al., WWW 2001).
//
//   auto knn = thaw::ItemKnnPredictor::fit(visible, {.neighbours = 100});
//   if (knn) knn.value().score_from(support_items, candidates, out);
//
//   S(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage)     n_ij users touched both; S(i, i) = 0
//   score(j) = sum of S(i, j) over the history items i among the k items most similar to j
//
// Nothing is learned: one pass over pairs of each user's items. Ratings are ignored, only their existence counts.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/baselines/item_neighbours.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

class ItemKnnPredictor {
 public:
  static constexpr bool kPredictsRatings = false;

  struct Options {
    std::int32_t neighbours = 100;
    double shrinkage = 0;  // in users: how much rare items' similarity is doubted
    int threads = 1;
  };

  static Result<ItemKnnPredictor> fit(const RatingGraph& visible, const Options& options) {
    const char* fault = detail::neighbour_settings_fault(options.neighbours, options.threads);
    if (fault != nullptr) return make_fault(FaultKind::out_of_range, "ItemKnnPredictor: ", fault);
    if (!(options.shrinkage >= 0) || options.shrinkage > 1e12) {
      return make_fault(FaultKind::out_of_range, "ItemKnnPredictor: shrinkage is ", options.shrinkage,
                        ", must be 0 or a number of users");
    }
    const Result<Interactions> interactions = Interactions::from_graph(visible);
    if (!interactions) return interactions.fault();
    const Interactions& x = interactions.value();
    const std::vector<double> one_each(static_cast<std::size_t>(x.user_count()), 1.0);
    std::vector<double> length(static_cast<std::size_t>(x.item_count()));
    for (std::int32_t item = 0; item < x.item_count(); ++item)
      length[static_cast<std::size_t>(item)] = std::sqrt(static_cast<double>(x.by_item.row(item).size()));
    ItemKnnPredictor predictor;
    predictor.similar_ = ItemNeighbours::build(
        x.item_count(), {.most = options.neighbours, .keep = KeepBest::of_each_target, .threads = options.threads},
        [&](std::int32_t item, NeighbourRow& row) {
          row.add_two_steps(x, item, one_each);
          for (const std::int32_t other : row.touched)
            row.sums[static_cast<std::size_t>(other)] /=
                length[static_cast<std::size_t>(item)] * length[static_cast<std::size_t>(other)] + options.shrinkage;
        });
    return predictor;
  }
  static Result<ItemKnnPredictor> fit(const RatingGraph& visible) { return fit(visible, Options()); }

  std::int32_t item_count() const { return similar_.item_count(); }
  const ItemNeighbours& neighbours() const { return similar_; }
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    similar_.score_from(history, items, out);
  }

 private:
  ItemNeighbours similar_;
};

}  // namespace thaw::inline v0
