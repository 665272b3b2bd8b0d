#include "thaw/baselines/item_mean.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("ItemMeanPredictor: drawn to the global mean by pseudo ratings") {
  const std::vector<thaw::Rating> ratings{{0, 0, 5.0f}, {1, 0, 5.0f}, {0, 1, 2.0f}, {1, 2, 4.0f}};  // mean 4
  const auto visible = thaw::RatingGraph::from_ratings(ratings, 2, 4);
  const thaw::ItemMeanPredictor mean(visible);
  const std::vector<std::int32_t> items{0, 1, 2, 3};
  std::vector<float> out(4);
  mean.score(1, items, out);
  CHECK(out[0] == doctest::Approx((10.0 + 5 * 4) / 7));
  CHECK(out[1] == doctest::Approx((2.0 + 5 * 4) / 6));
  CHECK(out[2] == doctest::Approx(4.0));
  CHECK(out[3] == doctest::Approx(4.0));  // never rated
  const auto nothing = thaw::RatingGraph::from_ratings({}, 2, 4);
  thaw::ItemMeanPredictor(nothing, {.without_ratings = 2.5}).score(0, items, out);
  CHECK(out == std::vector<float>(4, 2.5f));
}
