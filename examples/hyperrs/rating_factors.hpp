// RatingFactors: item vectors for least squares on ratings, by alternating ridge regressions.
//
//   hyperrs::RatingFactors factors(world, {.width = 8});
//   hyperrs::OnlineRidge<> user(factors.items(), factors.base(), factors.width(), factors.penalty(), scratch);
//
// rating = base[item] + bias[user] + p[user] . q[item]. An item's row is (1, q), so that a user's weights are (bias,
// p). The base is the item's mean rating, drawn to the mean of all by a few ratings' worth. Items without records get
// the mean of all and no vector. Not for rankings.
#pragma once

#include <vector>

#include "hyperrs/adapt_online.hpp"
#include "hyperrs/learner.hpp"
#include "thaw/core/random.hpp"

namespace hyperrs {

struct RatingFactorsOptions {
  Index width = 8;    // of q
  int rounds = 10;    // each: all users, then all items
  float penalty = 4;  // of users' and items' weights
  double shrink = 3;  // how many ratings at the mean of all an item's base starts with
  std::uint64_t seed = 1;
};

class RatingFactors {
 public:
  RatingFactors(const World& world, const RatingFactorsOptions& options)
      : options_(options), width_(options.width + 1) {
    const std::int32_t count = world.data->items.size();
    const double mean = world.train.mean((world.data->lowest + world.data->highest) / 2);
    thaw::Philox rng(thaw::Key{options.seed}.fold(0x726174));
    for (std::int32_t i = 0; i < count; ++i) {
      double sum = mean * options.shrink, records = options.shrink;
      if (i < world.train.item_count())
        for (const auto& edge : world.train.by_item.row(i)) sum += static_cast<double>(edge.value), records += 1;
      base_.push_back(static_cast<float>(sum / records));
      const bool known = records > options.shrink;
      items_.push_back(1);
      for (Index k = 0; k < options.width; ++k) items_.push_back(known ? static_cast<float>(0.1 * rng.normal()) : 0.0F);
    }
    users_.assign(static_cast<std::size_t>(world.train.user_count() * width_), 0.0F);
    for (int round = 0; round < options.rounds; ++round) fit_users(world), fit_items(world);
  }

  const float* items() const { return items_.data(); }  // (items, width)
  const float* base() const { return base_.data(); }    // (items)
  Index width() const { return width_; }
  float penalty() const { return options_.penalty; }

 private:
  void fit_users(const World& world) {
    std::vector<float> scratch(static_cast<std::size_t>(OnlineRidge<>::scratch_numbers(width_)));
    for (std::int32_t u = 0; u < world.train.user_count(); ++u) {
      OnlineRidge<> ridge(items_.data(), base_.data(), width_, options_.penalty, scratch.data());
      for (const auto& edge : world.train.by_user.row(u)) ridge.add({edge.column, edge.value});
      std::copy_n(ridge.weights(), width_, users_.data() + u * width_);
    }
  }
  // An item sees users' p as its rows, and what their biases and its base leave over.
  void fit_items(const World& world) {
    const Index q = options_.width;
    std::vector<float> scratch(static_cast<std::size_t>(OnlineRidge<>::scratch_numbers(q))), rows, left;
    for (std::int32_t i = 0; i < world.train.item_count(); ++i) {
      rows.clear(), left.clear();
      for (const auto& edge : world.train.by_item.row(i)) {
        const float* user = users_.data() + edge.column * width_;
        rows.insert(rows.end(), user + 1, user + width_);
        left.push_back(edge.value - base_[static_cast<std::size_t>(i)] - user[0]);
      }
      if (left.empty()) continue;
      OnlineRidge<> ridge(rows.data(), nullptr, q, options_.penalty, scratch.data());
      for (std::size_t n = 0; n < left.size(); ++n) ridge.add({static_cast<std::int32_t>(n), left[n]});
      std::copy_n(ridge.weights(), q, items_.data() + i * width_ + 1);
    }
  }

  RatingFactorsOptions options_;
  Index width_;
  std::vector<float> items_, base_, users_;  // (items, width), (items), (users, width)
};

}  // namespace hyperrs
