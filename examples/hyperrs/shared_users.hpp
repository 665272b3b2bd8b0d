// SharedUsers: how many users any two items share; item neighbours and random walks without any one user.
//
//   hyperrs::SharedUsers shared(interactions);
//   shared.score(user, own, support, /*shrinkage*/ 5, neighbours, walks);  // user -1: everyone counts; both (items)
//
//   neighbours(j) = sum of n_ij / (sqrt(n_i n_j) + shrinkage)             as baselines/item_knn.hpp
//   walks(j) = sum of n_i^-alpha  sum over users u of both of n_u^-alpha  as baselines/random_walk.hpp
//
// i over the support without j. Nothing is cut to the best neighbours, so a user leaves exactly, by subtracting what
// she alone adds. Memory: 12 bytes for each pair of items with a user in common.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "thaw/graph/interactions.hpp"

namespace hyperrs {

class SharedUsers {
 public:
  explicit SharedUsers(const thaw::Interactions& x, double alpha = 0.6) : x_(x) {
    const auto items = static_cast<std::size_t>(x.item_count());
    for (std::int32_t u = 0; u < x.user_count(); ++u) user_step_.push_back(power(x.by_user.row(u).size(), alpha));
    std::size_t most = 1;
    for (std::size_t i = 0; i < items; ++i) most = (std::max)(most, x.by_item.row(static_cast<std::int32_t>(i)).size());
    root_.resize(most + 1), step_.resize(most + 1);
    for (std::size_t n = 0; n <= most; ++n) root_[n] = std::sqrt(static_cast<float>(n)), step_[n] = power(n, alpha);
    std::vector<Pair> sums(items, Pair{0, 0, 0});
    std::vector<std::int32_t> touched;
    offsets_.push_back(0);
    for (std::size_t i = 0; i < items; ++i) {
      touched.clear();
      for (const std::int32_t u : x.by_item.row(static_cast<std::int32_t>(i)))
        for (const std::int32_t j : x.by_user.row(u)) {
          Pair& sum = sums[static_cast<std::size_t>(j)];
          if (sum.users == 0) touched.push_back(j);
          sum.users += 1, sum.steps += user_step_[static_cast<std::size_t>(u)];
        }
      for (const std::int32_t j : touched) {
        Pair& sum = sums[static_cast<std::size_t>(j)];
        if (static_cast<std::size_t>(j) != i) pairs_.push_back({j, sum.users, sum.steps});
        sum = {0, 0, 0};
      }
      offsets_.push_back(pairs_.size());
    }
  }

  // Users that have the item, without `user`.
  std::size_t users(std::int32_t item, bool less_one) const {
    return x_.by_item.row(item).size() - (less_one ? 1U : 0U);
  }
  // own (items): which items `user` has; empty for -1.
  void score(std::int32_t user, std::span<const std::uint8_t> own, std::span<const std::int32_t> history,
             double shrinkage, std::span<float> neighbours, std::span<float> walks) const {
    std::fill(neighbours.begin(), neighbours.end(), 0.0F);
    std::fill(walks.begin(), walks.end(), 0.0F);
    const auto shrink = static_cast<float>(shrinkage);
    const float gone = user < 0 ? 0 : user_step_[static_cast<std::size_t>(user)];
    for (const std::int32_t i : history) {
      const bool mine = user >= 0 && own[static_cast<std::size_t>(i)] != 0;
      const std::size_t count = users(i, mine);
      if (count == 0) continue;
      const float root = root_[count], step = step_[count];
      for (std::size_t p = offsets_[static_cast<std::size_t>(i)]; p < offsets_[static_cast<std::size_t>(i) + 1]; ++p) {
        const Pair& pair = pairs_[p];
        const auto j = static_cast<std::size_t>(pair.item);
        const bool both = mine && own[j] != 0;
        if (both && pair.users == 1) continue;
        const float of_other = root_[users(pair.item, user >= 0 && own[j] != 0)];
        neighbours[j] += (pair.users - (both ? 1 : 0)) / (root * of_other + shrink);
        walks[j] += step * (pair.steps - (both ? gone : 0));
      }
    }
  }

 private:
  struct Pair {
    std::int32_t item;
    float users, steps;
  };
  static float power(std::size_t count, double alpha) {
    return count == 0 ? 0.0F : static_cast<float>(std::pow(static_cast<double>(count), -alpha));
  }

  thaw::Interactions x_;
  std::vector<float> user_step_;    // (users) n_u^-alpha
  std::vector<float> root_, step_;  // of a count: its root, its power -alpha
  std::vector<std::size_t> offsets_;
  std::vector<Pair> pairs_;
};

}  // namespace hyperrs
