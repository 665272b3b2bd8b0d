#include "thaw/graph/rating_graph.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("RatingGraph: both directions hold the same ratings") {
  const std::vector<thaw::Rating> ratings{{0, 2, 5.0f}, {2, 0, 1.0f}, {0, 0, 3.0f}};
  const auto graph = thaw::RatingGraph::from_ratings(ratings, 3, 4);
  CHECK(graph.user_count() == 3);
  CHECK(graph.item_count() == 4);
  for (const thaw::Rating& r : ratings) {
    const float* forth = graph.by_user.find(r.user, r.item);
    const float* back = graph.by_item.find(r.item, r.user);
    CHECK((forth != nullptr && *forth == r.value));
    CHECK((back != nullptr && *back == r.value));
  }
  CHECK(graph.by_user.row(1).empty());
  CHECK(graph.mean(0.0) == doctest::Approx(3.0));
  CHECK(thaw::RatingGraph::from_ratings({}, 2, 2).mean(2.5) == 2.5);
}
