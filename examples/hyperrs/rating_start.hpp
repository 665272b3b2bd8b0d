// RatingStart: what is known of a rating before anything is learned: the item's mean and the user's bias.
//
//   hyperrs::RatingStart start(world);
//   start.fill(user, support, out);        // out (rows, items): row 0 the item's deviation, row 1 the user's, rest 0
//
// Item means are freed of who rated (baselines/user_item_bias.hpp, and its damping): both are shrunk towards zero as if
// five more records had none. A training user's own ratings are taken out of the item means that she is shown. Not for
// rankings: see evidence.hpp.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/baselines/user_item_bias.hpp"

namespace hyperrs {

class RatingStart {
 public:
  static constexpr int kRows = 2;

  explicit RatingStart(const World& world)
      : world_(world), biases_(thaw::fit_biases(world.train, {.without_ratings = 0})) {
    const auto items = static_cast<std::size_t>(world.train.item_count());
    sums_.assign(items, 0);
    for (std::size_t i = 0; i < items; ++i)
      for (const auto& edge : world.train.by_item.row(static_cast<std::int32_t>(i)))
        sums_[i] += freed(edge.column, edge.value);
  }

  // The mean of all training ratings: what the rows are deviations from.
  double mean() const { return biases_.mean; }
  // How far a record's label is above what its item usually gets.
  float surprise(std::int32_t item, float label) const {
    if (item < 0 || item >= world_.train.item_count()) return 0;
    return static_cast<float>(static_cast<double>(label) - mean() - deviation(-1, item));
  }
  // out (rows >= 2, items).
  void fill(std::int32_t user, const thaw::Episode::Part& support, std::span<float> out) const {
    const auto items = static_cast<std::size_t>(world_.train.item_count());
    std::fill(out.begin(), out.end(), 0.0F);
    for (std::size_t i = 0; i < items; ++i) out[i] = static_cast<float>(deviation(user, static_cast<std::int32_t>(i)));
    double bias = 0, records = 0;
    for (std::size_t i = 0; i < support.items.size(); ++i) {
      const std::int32_t item = support.items[i];
      const bool exists = item >= 0 && static_cast<std::size_t>(item) < items;
      bias += static_cast<double>(support.labels[i]) - mean() - (exists ? deviation(user, item) : 0);
      ++records;
    }
    const auto row = out.subspan(items, items);
    std::fill(row.begin(), row.end(), static_cast<float>(bias / (records + kDamping)));
  }

 private:
  double deviation(std::int32_t without_user, std::int32_t item) const {
    double sum = sums_[static_cast<std::size_t>(item)];
    auto count = static_cast<double>(world_.train.by_item.row(item).size());
    if (without_user >= 0 && without_user < world_.train.user_count())
      if (const float* own = world_.train.by_user.find(without_user, item)) sum -= freed(without_user, *own), --count;
    return sum / (count + kDamping);
  }
  // What a training user's rating says of its item.
  double freed(std::int32_t user, float rating) const {
    return static_cast<double>(rating) - mean() - biases_.user[static_cast<std::size_t>(user)];
  }

  static constexpr double kDamping = thaw::BiasOptions().item_damping;

  World world_;
  thaw::RatingBiases biases_;
  std::vector<double> sums_;
};

}  // namespace hyperrs
