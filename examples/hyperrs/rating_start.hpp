// RatingStart: what is known of a rating before anything is learned: the item's mean and the user's bias.
//
//   hyperrs::RatingStart start(world);
//   start.fill(user, support, out);        // out (rows, items): row 0 the item's deviation, row 1 the user's, rest 0
//
// Both are shrunk towards zero as if two more records had none. A training user's own ratings are taken out of the item
// means that she is shown. Not for rankings: see evidence.hpp.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "hyperrs/learner.hpp"

namespace hyperrs {

class RatingStart {
 public:
  static constexpr int kRows = 2;

  explicit RatingStart(const World& world) : world_(world), mean_(world.train.mean(0)) {
    const auto items = static_cast<std::size_t>(world.train.item_count());
    sums_.assign(items, 0);
    for (std::size_t i = 0; i < items; ++i)
      for (const auto& edge : world.train.by_item.row(static_cast<std::int32_t>(i)))
        sums_[i] += static_cast<double>(edge.value) - mean_;
  }

  // The mean of all training ratings: what the rows are deviations from.
  double mean() const { return mean_; }
  // How far a record's label is above what its item usually gets.
  float surprise(std::int32_t item, float label) const {
    if (item < 0 || item >= world_.train.item_count()) return 0;
    return static_cast<float>(static_cast<double>(label) - mean_ - deviation(-1, item));
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
      bias += static_cast<double>(support.labels[i]) - mean_ - (exists ? deviation(user, item) : 0);
      ++records;
    }
    const auto row = out.subspan(items, items);
    std::fill(row.begin(), row.end(), static_cast<float>(bias / (records + 2)));
  }

 private:
  double deviation(std::int32_t without_user, std::int32_t item) const {
    double sum = sums_[static_cast<std::size_t>(item)];
    auto count = static_cast<double>(world_.train.by_item.row(item).size());
    if (without_user >= 0 && without_user < world_.train.user_count())
      if (const float* own = world_.train.by_user.find(without_user, item))
        sum -= static_cast<double>(*own) - mean_, --count;
    return sum / (count + 2);
  }

  World world_;
  double mean_;
  std::vector<double> sums_;
};

}  // namespace hyperrs
