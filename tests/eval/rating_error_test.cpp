#include "thaw/eval/rating_error.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

TEST_CASE("rating_error: worked example") {
  const std::vector<float> predictions{3, 4, 5, 1};
  const std::vector<float> truths{4, 4, 3, 2};  // differences -1, 0, 2, -1
  const thaw::RatingError error = thaw::rating_error(predictions, truths);
  CHECK(error.count == 4);
  CHECK(error.mean_absolute() == doctest::Approx(1.0));
  CHECK(error.mean_squared() == doctest::Approx(1.5));
  CHECK(error.root_mean_squared() == doctest::Approx(std::sqrt(1.5)));
}

TEST_CASE("rating_error: pooling adds cells, nothing added is not zero error") {
  thaw::RatingError first = thaw::rating_error(std::vector<float>{1, 1}, std::vector<float>{3, 1});
  const thaw::RatingError second = thaw::rating_error(std::vector<float>{5}, std::vector<float>{1});
  first.add(second);
  CHECK(first.count == 3);
  CHECK(first.mean_absolute() == doctest::Approx(2.0));
  CHECK(first.mean_squared() == doctest::Approx(20.0 / 3));
  CHECK(std::isnan(thaw::RatingError{}.mean_absolute()));
  CHECK(std::isnan(thaw::RatingError{}.root_mean_squared()));
}
