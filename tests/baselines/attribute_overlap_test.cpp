#include "thaw/baselines/attribute_overlap.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

// Genres {0,1} {0} {1} {} and directors 0 0 1 1 of four items.
const std::vector<std::int32_t> kGenreOffsets{0, 2, 3, 4, 4}, kGenres{0, 1, 0, 1};
const std::vector<std::int32_t> kDirectorOffsets{0, 1, 2, 3, 4}, kDirectors{0, 0, 1, 1};

std::vector<thaw::AttributeView> attributes() {
  return {{kGenreOffsets, kGenres, 2}, {kDirectorOffsets, kDirectors, 2}};
}
std::vector<float> scores(const thaw::AttributeOverlapPredictor& overlap, const std::vector<std::int32_t>& history) {
  const std::vector<std::int32_t> items{0, 1, 2, 3};
  std::vector<float> out(4, -1);
  overlap.score_from(history, items, out);
  return out;
}

}  // namespace

// By hand: profiles (1,1,1,0)/sqrt 3, (1,0,1,0)/sqrt 2, (0,1,0,1)/sqrt 2, (0,0,0,1).
TEST_CASE("attribute overlap: the mean cosine to the history") {
  const thaw::AttributeOverlapPredictor overlap(attributes(), thaw::ValueWeight::equal);
  CHECK(overlap.item_count() == 4);
  const double s23 = 2 / std::sqrt(6.0), s13 = 1 / std::sqrt(6.0), s2 = 1 / std::sqrt(2.0);
  const double from_first[] = {1, s23, s13, 0}, from_third[] = {s13, 0, 1, s2};
  const auto first = scores(overlap, {0}), both = scores(overlap, {0, 2});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(static_cast<double>(first[i]) == doctest::Approx(from_first[i]));
    CHECK(static_cast<double>(both[i]) == doctest::Approx(0.5 * (from_first[i] + from_third[i])));
  }
}

TEST_CASE("attribute overlap: the order of the bags' cosine, no history, rare values") {
  const thaw::AttributeOverlapPredictor overlap(attributes(), thaw::ValueWeight::equal);
  CHECK(scores(overlap, {}) == std::vector<float>{0, 0, 0, 0});
  CHECK(scores(overlap, {0, 2}) == scores(overlap, {2, 0}));
  // Every value is on two of four items, so rarity weighs them alike.
  const thaw::AttributeOverlapPredictor rare(attributes());
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(scores(rare, {1})[i] == doctest::Approx(static_cast<double>(scores(overlap, {1})[i])));
  const std::vector<thaw::AttributeView> none;
  CHECK(thaw::AttributeOverlapPredictor(none).item_count() == 0);
}
