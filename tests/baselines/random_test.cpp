#include "thaw/baselines/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

TEST_CASE("RandomPredictor: uniform on the scale, a function of seed, user and item") {
  const thaw::RandomPredictor random({.seed = 3, .lowest = 1, .highest = 5});
  std::vector<std::int32_t> items(4000);
  std::iota(items.begin(), items.end(), 0);
  std::vector<float> out(items.size()), reversed_out(items.size());
  random.score(7, items, out);
  double sum = 0, squares = 0;
  for (const float value : out) {
    CHECK((value >= 1.0f && value < 5.0f));
    sum += double(value) / 4000;
    squares += double(value) * double(value) / 4000;
  }
  // Uniform on [1, 5): mean 3, variance 16/12. Standard errors over 4,000: 0.018 and about 0.019.
  CHECK(std::abs(sum - 3.0) < 4 * 0.018);
  CHECK(std::abs(squares - sum * sum - 16.0 / 12) < 4 * 0.019);
  std::reverse(items.begin(), items.end());
  random.score(7, items, reversed_out);
  std::reverse(reversed_out.begin(), reversed_out.end());
  CHECK(out == reversed_out);
  random.score(8, items, reversed_out);
  CHECK(out != reversed_out);
}
