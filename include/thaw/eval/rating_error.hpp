// Rating errors: MAE and RMSE, over all ratings at once and averaged over users.
//
//   thaw::RatingError error;
//   error.add(predictions, truths);          // as often as needed
//   use(error.mean_absolute(), error.root_mean_squared());
//
// "Pooled" gives every rating the same weight, "per user" every user. The two differ where active users are easier.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// Sums of errors; the means are NaN while nothing was added.
struct RatingError {
  std::int64_t count = 0;
  double absolute_sum = 0;
  double squared_sum = 0;

  void add(float prediction, float truth) {
    const double difference = static_cast<double>(prediction) - static_cast<double>(truth);
    ++count;
    absolute_sum += std::abs(difference);
    squared_sum += difference * difference;
  }
  void add(std::span<const float> predictions, std::span<const float> truths) {
    require(predictions.size() == truths.size(), "RatingError::add: ", predictions.size(), " predictions for ",
            truths.size(), " ratings");
    for (std::size_t i = 0; i < predictions.size(); ++i) add(predictions[i], truths[i]);
  }
  void add(const RatingError& other) {
    count += other.count;
    absolute_sum += other.absolute_sum;
    squared_sum += other.squared_sum;
  }
  double mean_absolute() const { return mean_of(absolute_sum); }
  double mean_squared() const { return mean_of(squared_sum); }
  double root_mean_squared() const { return std::sqrt(mean_squared()); }

 private:
  double mean_of(double sum) const {
    return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
  }
};

// Errors of one user's list.
inline RatingError rating_error(std::span<const float> predictions, std::span<const float> truths) {
  RatingError error;
  error.add(predictions, truths);
  return error;
}

}  // namespace thaw::inline v0
