// RatingGraph: a set of ratings in both directions, users to items and items to users.
//
//   const thaw::RatingGraph visible = thaw::RatingGraph::from_ratings(ratings, user_count, item_count);
//   for (auto edge : visible.by_item.row(item)) use(edge.column /* user */, edge.value);
//
// Whatever is handed a RatingGraph sees these ratings and no others: build it from the ratings that may be seen.
#pragma once

#include <cstdint>
#include <span>

#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

struct RatingGraph {
  Csr by_user;  // (users) rows of items
  Csr by_item;  // (items) rows of users

  static RatingGraph from_ratings(std::span<const Rating> ratings, std::int32_t user_count, std::int32_t item_count) {
    return {Csr::from_ratings(ratings, user_count, Csr::Side::user),
            Csr::from_ratings(ratings, item_count, Csr::Side::item)};
  }
  std::int32_t user_count() const { return by_user.rows(); }
  std::int32_t item_count() const { return by_item.rows(); }
  // The mean rating, or `otherwise` without ratings.
  double mean(double otherwise) const {
    double sum = 0;
    for (const Csr::Edge& edge : by_user.edges) sum += static_cast<double>(edge.value);
    return by_user.edges.empty() ? otherwise : sum / static_cast<double>(by_user.edges.size());
  }
};

}  // namespace thaw::inline v0
