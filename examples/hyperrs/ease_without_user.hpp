// EaseWithoutUser: EASE (baselines/ease.hpp), and what it would be had any one user not been there.
//
//   auto ease = hyperrs::EaseWithoutUser::fit(interactions, {.regularization = 300});
//   ease->score(user, support, out);            // user -1: everyone counts; out (items)
//   ease->score(user, support, out, weights);   // items of the support count as much as their weights say
//
// Exact, for the cost of a few rows: taking a user x out of P = (X^T X + lambda I)^-1 is a change of rank one,
// P + P x x^T P / (1 - x^T P x). Where users with two records or more are fewer than items, the inverse is kept on
// their side instead, by
//
//   P = D^-1 - D^-1 X^T K X D^-1     K = (I + X D^-1 X^T)^-1     D: lambda, plus the users with this item alone
//
// from which a user leaves by K - k k^T / K(u, u). So a large catalogue needs (users)^2 numbers, not (items)^2.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "thaw/backend/symmetric_inverse.hpp"
#include "thaw/graph/interactions.hpp"

namespace hyperrs {

class EaseWithoutUser {
 public:
  struct Options {
    double regularization = 300;
    std::int32_t most_rows = 12'000;  // of the inverse, 4 bytes x rows^2; more is no model
    int threads = 1;
  };

  static std::optional<EaseWithoutUser> fit(const thaw::Interactions& x, const Options& options) {
    EaseWithoutUser model;
    model.number_rows(x, options);
    if (model.rows_ == 0 || model.rows_ > options.most_rows) return std::nullopt;
    model.inverse_.assign(static_cast<std::size_t>(model.rows_) * static_cast<std::size_t>(model.rows_), 0.0F);
    if (model.by_users_)
      model.count_users();
    else
      model.count_items(options);
    const thaw::Index n = model.rows_;
    std::vector<float> scratch(
        static_cast<std::size_t>(thaw::invert_positive_definite_scratch<float>(n, options.threads)));
    if (!thaw::invert_positive_definite(thaw::detect_isa(), n, model.inverse_.data(), scratch.data(), options.threads))
      return std::nullopt;
    if (model.by_users_) model.sum_pairs();
    return model;
  }

  // out (items). An item of the history is scored by the others. Items that nobody else has score 0. No weights: ones.
  void score(std::int32_t user, std::span<const std::int32_t> history, std::span<float> out,
             std::span<const float> weights = {}) const {
    std::fill(out.begin(), out.end(), 0.0F);
    if (by_users_)
      score_by_users(user, {history, weights}, out);
    else
      score_by_items(user, {history, weights}, out);
  }

 private:
  struct History {
    std::span<const std::int32_t> items;
    std::span<const float> weights;  // none: ones
    float weight(std::size_t at) const { return weights.empty() ? 1.0F : weights[at]; }
  };
  // The row of the inverse of a history's item, -1 without one.
  std::int32_t row_of(const History& history, std::size_t at) const {
    return item_row_[static_cast<std::size_t>(history.items[at])];
  }
  std::span<const float> row(std::int32_t r) const {
    return {inverse_.data() + static_cast<std::size_t>(r) * static_cast<std::size_t>(rows_),
            static_cast<std::size_t>(rows_)};
  }
  std::span<float> row(std::int32_t r) {
    return {inverse_.data() + static_cast<std::size_t>(r) * static_cast<std::size_t>(rows_),
            static_cast<std::size_t>(rows_)};
  }
  static void add(std::span<const float> from, float by, std::span<float> to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += by * from[i];
  }

  // Which users and items have a row of the inverse, and which side is the smaller one.
  void number_rows(const thaw::Interactions& x, const Options& options) {
    x_ = x;
    user_row_.assign(static_cast<std::size_t>(x.user_count()), -1);
    item_row_.assign(static_cast<std::size_t>(x.item_count()), -1);
    diagonal_.assign(item_row_.size(), static_cast<float>(options.regularization));
    std::int32_t users = 0, items = 0;
    for (std::int32_t u = 0; u < x.user_count(); ++u) {
      const auto own = x.by_user.row(u);
      if (own.size() >= 2) user_row_[static_cast<std::size_t>(u)] = users++;
      if (own.size() == 1) diagonal_[static_cast<std::size_t>(own[0])] += 1;
    }
    for (std::int32_t i = 0; i < x.item_count(); ++i)
      if (!x.by_item.row(i).empty()) item_row_[static_cast<std::size_t>(i)] = items++;
    by_users_ = users < items;
    rows_ = by_users_ ? users : items;
  }
  // The lower triangle of X^T X + lambda I.
  void count_items(const Options& options) {
    for (std::int32_t i = 0; i < x_.item_count(); ++i) {
      const std::int32_t r = item_row_[static_cast<std::size_t>(i)];
      if (r < 0) continue;
      const auto to = row(r);
      for (const std::int32_t u : x_.by_item.row(i))
        for (const std::int32_t other : x_.by_user.row(u)) {
          if (other > i) break;  // sorted
          to[static_cast<std::size_t>(item_row_[static_cast<std::size_t>(other)])] += 1.0F;
        }
      to[static_cast<std::size_t>(r)] += static_cast<float>(options.regularization);
    }
  }
  // The lower triangle of I + X D^-1 X^T.
  void count_users() {
    for (std::int32_t u = 0; u < x_.user_count(); ++u) {
      const std::int32_t r = user_row_[static_cast<std::size_t>(u)];
      if (r < 0) continue;
      const auto to = row(r);
      for (const std::int32_t i : x_.by_user.row(u))
        for (const std::int32_t other : x_.by_item.row(i)) {
          if (other > u) break;
          const std::int32_t at = user_row_[static_cast<std::size_t>(other)];
          if (at >= 0) to[static_cast<std::size_t>(at)] += 1 / diagonal_[static_cast<std::size_t>(i)];
        }
      to[static_cast<std::size_t>(r)] += 1;
    }
  }
  // x_i^T K x_i of each item.
  void sum_pairs() {
    pairs_.assign(item_row_.size(), 0.0F);
    std::vector<std::int32_t> at;
    for (std::int32_t i = 0; i < x_.item_count(); ++i) {
      at.clear();
      for (const std::int32_t u : x_.by_item.row(i))
        if (user_row_[static_cast<std::size_t>(u)] >= 0) at.push_back(user_row_[static_cast<std::size_t>(u)]);
      double sum = 0;
      for (const std::int32_t a : at)
        for (const std::int32_t b : at) sum += static_cast<double>(row(a)[static_cast<std::size_t>(b)]);
      pairs_[static_cast<std::size_t>(i)] = static_cast<float>(sum);
    }
  }

  // score(j) = h(j) - (h P)(j) / P(j, j), h: the weights of the history
  void score_by_items(std::int32_t user, const History& history, std::span<float> out) const {
    const auto n = static_cast<std::size_t>(rows_);
    std::vector<float> sums(n, 0.0F), left(n, 0.0F);
    float gone = 0, shared = 0;  // x^T P x; h P x
    for (std::size_t k = 0; k < history.items.size(); ++k)
      if (const std::int32_t r = row_of(history, k); r >= 0) add(row(r), history.weight(k), sums);
    if (user >= 0) {
      for (const std::int32_t i : x_.by_user.row(user)) add(row(item_row_[static_cast<std::size_t>(i)]), 1, left);
      for (const std::int32_t i : x_.by_user.row(user))
        gone += left[static_cast<std::size_t>(item_row_[static_cast<std::size_t>(i)])];
      for (std::size_t k = 0; k < history.items.size(); ++k)
        if (const std::int32_t r = row_of(history, k); r >= 0)
          shared += history.weight(k) * left[static_cast<std::size_t>(r)];
      add(left, shared / (1 - gone), sums);
    }
    for (std::size_t j = 0; j < out.size(); ++j) {
      const std::int32_t r = item_row_[j];
      if (r < 0) continue;
      const float mine = left[static_cast<std::size_t>(r)];
      out[j] = -sums[static_cast<std::size_t>(r)] /
               (row(r)[static_cast<std::size_t>(r)] + (user >= 0 ? mine * mine / (1 - gone) : 0));
    }
    add_history(history, out);
  }
  void score_by_users(std::int32_t user, const History& history, std::span<float> out) const {
    const auto n = static_cast<std::size_t>(rows_);
    const std::int32_t gone = user < 0 ? -1 : user_row_[static_cast<std::size_t>(user)];
    std::vector<float> near(n, 0.0F), reach(n, 0.0F);  // z = X D^-1 h; K z
    for (std::size_t k = 0; k < history.items.size(); ++k)
      for (const std::int32_t u : x_.by_item.row(history.items[k]))
        if (const std::int32_t r = user_row_[static_cast<std::size_t>(u)]; r >= 0 && r != gone)
          near[static_cast<std::size_t>(r)] +=
              history.weight(k) / diagonal_[static_cast<std::size_t>(history.items[k])];
    for (std::int32_t r = 0; r < rows_; ++r)
      if (near[static_cast<std::size_t>(r)] != 0) add(row(r), near[static_cast<std::size_t>(r)], reach);
    const std::span<const float> left = gone < 0 ? std::span<const float>{} : row(gone);
    const float pivot = gone < 0 ? 1 : left[static_cast<std::size_t>(gone)];
    if (gone >= 0) add(left, -reach[static_cast<std::size_t>(gone)] / pivot, reach);
    const auto own = [&](std::size_t j, float mine) {  // P(j, j)
      const float scale = 1 / diagonal_[j];
      return scale - scale * scale * (pairs_[j] - mine * mine / pivot);
    };
    const auto sum_over_users = [&](std::size_t j, std::span<const float> of) {
      float sum = 0;
      for (const std::int32_t u : x_.by_item.row(static_cast<std::int32_t>(j)))
        if (const std::int32_t r = user_row_[static_cast<std::size_t>(u)]; r >= 0 && !of.empty())
          sum += of[static_cast<std::size_t>(r)];
      return sum;
    };
    for (std::size_t j = 0; j < out.size(); ++j)
      if (item_row_[j] >= 0) out[j] = sum_over_users(j, reach) / (diagonal_[j] * own(j, sum_over_users(j, left)));
    for (std::size_t k = 0; k < history.items.size(); ++k) {
      const auto j = static_cast<std::size_t>(history.items[k]);
      if (item_row_[j] >= 0) out[j] -= history.weight(k) / (diagonal_[j] * own(j, sum_over_users(j, left)));
    }
    add_history(history, out);
  }
  void add_history(const History& history, std::span<float> out) const {
    for (std::size_t k = 0; k < history.items.size(); ++k)
      if (row_of(history, k) >= 0) out[static_cast<std::size_t>(history.items[k])] += history.weight(k);
  }

  thaw::Interactions x_;
  bool by_users_ = false;
  std::int32_t rows_ = 0;
  std::vector<std::int32_t> user_row_, item_row_;  // -1: none
  std::vector<float> diagonal_, pairs_;            // (items)
  std::vector<float> inverse_;                     // (rows, rows): P or K
};

}  // namespace hyperrs
