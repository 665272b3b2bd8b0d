#include "thaw/baselines/popularity.hpp"

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("PopularityPredictor: counts ratings, whatever they say") {
  const std::vector<thaw::Rating> ratings{{0, 1, 1.0f}, {1, 1, 1.0f}, {1, 2, 5.0f}};
  const thaw::PopularityPredictor popularity(thaw::Csr::from_ratings(ratings, 4, thaw::Csr::Side::item));
  const std::vector<std::int32_t> items{3, 1, 2};
  std::vector<float> out(3);
  popularity.score(0, items, out);
  CHECK(out == std::vector<float>{0, 2, 1});
}
