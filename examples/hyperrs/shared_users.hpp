// SharedUsers: how many users any two items share; item neighbours and random walks without any one user.
//
//   hyperrs::SharedUsers shared(interactions);
//   shared.score(user, own, {support, weights}, /*shrinkage*/ 5, rows);  // user -1: everyone counts; rows (items) each
//
//   neighbours(j) = sum of w_i n_ij / (sqrt(n_i n_j) + shrinkage)             as baselines/item_knn.hpp
//   sharp(j) = the same sum with the square of each similarity
//   walks(j) = sum of n_i^-alpha  sum over users u of both of n_u^-alpha      as baselines/random_walk.hpp
//
// i over the support without j. Neighbours come with w_i of 1 and with the weights given (recency), walks at two
// alphas. Nothing is cut to the best neighbours, so a user leaves exactly, by subtracting what she alone adds. Memory:
// 16 bytes for each pair of items with a user in common.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "thaw/graph/interactions.hpp"

namespace hyperrs {

class SharedUsers {
 public:
  static constexpr int kWalks = 2;
  // What score() fills, (items) each.
  struct Rows {
    std::span<float> neighbours, recent, sharp, walks[kWalks];
  };
  struct Support {
    std::span<const std::int32_t> items;
    std::span<const float> weights;  // (items); for Rows::recent alone
  };

  explicit SharedUsers(const thaw::Interactions& x, const double (&alphas)[kWalks] = {0.6, 1}) : x_(x) {
    const auto items = static_cast<std::size_t>(x.item_count());
    std::size_t most = 1;
    for (std::size_t i = 0; i < items; ++i) most = (std::max)(most, x.by_item.row(static_cast<std::int32_t>(i)).size());
    for (std::int32_t u = 0; u < x.user_count(); ++u) most = (std::max)(most, x.by_user.row(u).size());
    for (std::size_t n = 0; n <= most; ++n) {
      root_.push_back(std::sqrt(static_cast<float>(n)));
      for (int a = 0; a < kWalks; ++a) step_[a].push_back(power(n, alphas[a]));
    }
    std::vector<Pair> sums(items, Pair{});
    std::vector<std::int32_t> touched;
    offsets_.push_back(0);
    for (std::size_t i = 0; i < items; ++i) {
      touched.clear();
      for (const std::int32_t u : x.by_item.row(static_cast<std::int32_t>(i)))
        for (const std::int32_t j : x.by_user.row(u)) {
          Pair& sum = sums[static_cast<std::size_t>(j)];
          if (sum.users == 0) touched.push_back(j);
          sum.users += 1;
          for (int a = 0; a < kWalks; ++a) sum.steps[a] += user_step(u, a);
        }
      for (const std::int32_t j : touched) {
        Pair& sum = sums[static_cast<std::size_t>(j)];
        if (static_cast<std::size_t>(j) != i) pairs_.push_back(sum), pairs_.back().item = j;
        sum = {};
      }
      offsets_.push_back(pairs_.size());
    }
  }

  // Users that have the item, without `user`.
  std::size_t users(std::int32_t item, bool less_one) const {
    return x_.by_item.row(item).size() - (less_one ? 1U : 0U);
  }
  // own (items): which items `user` has; empty for -1.
  void score(std::int32_t user, std::span<const std::uint8_t> own, const Support& support, double shrinkage,
             const Rows& rows) const {
    for (const auto& row : {rows.neighbours, rows.recent, rows.sharp, rows.walks[0], rows.walks[1]})
      std::fill(row.begin(), row.end(), 0.0F);
    const auto shrink = static_cast<float>(shrinkage);
    float gone[kWalks] = {};
    for (int a = 0; user >= 0 && a < kWalks; ++a) gone[a] = user_step(user, a);
    for (std::size_t k = 0; k < support.items.size(); ++k) {
      const auto i = static_cast<std::size_t>(support.items[k]);
      const bool mine = user >= 0 && own[i] != 0;
      const std::size_t count = users(support.items[k], mine);
      if (count == 0) continue;
      for (std::size_t p = offsets_[i]; p < offsets_[i + 1]; ++p) {
        const Pair& pair = pairs_[p];
        const auto j = static_cast<std::size_t>(pair.item);
        const bool both = mine && own[j] != 0;
        if (both && pair.users == 1) continue;
        const float of_other = root_[users(pair.item, user >= 0 && own[j] != 0)];
        const float near = (pair.users - (both ? 1 : 0)) / (root_[count] * of_other + shrink);
        rows.neighbours[j] += near;
        rows.recent[j] += support.weights[k] * near;
        rows.sharp[j] += near * near;
        for (int a = 0; a < kWalks; ++a) rows.walks[a][j] += step_[a][count] * (pair.steps[a] - (both ? gone[a] : 0));
      }
    }
  }

 private:
  struct Pair {
    std::int32_t item = 0;
    float users = 0, steps[kWalks] = {};
  };
  static float power(std::size_t count, double alpha) {
    return count == 0 ? 0.0F : static_cast<float>(std::pow(static_cast<double>(count), -alpha));
  }
  float user_step(std::int32_t user, int a) const { return step_[a][x_.by_user.row(user).size()]; }

  thaw::Interactions x_;
  std::vector<float> root_, step_[kWalks];  // of a count: its root, its powers -alpha
  std::vector<std::size_t> offsets_;
  std::vector<Pair> pairs_;
};

}  // namespace hyperrs
