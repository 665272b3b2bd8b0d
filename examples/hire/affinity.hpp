// Affinities: what the known ratings say of one (user, item) pair beyond the two biases.
//
//   hire::Affinities affinities(data, visible, biases, least_entities);
//   float numbers[hire::Affinities::kMost];
//   affinities.read(user, item, numbers);            // affinities.count() numbers
//
// With e the residual of a known rating after the biases, each number is a shrunken mean of residuals, sum e / (n + c):
//   one a user attribute   of this item's raters who share the user's value
//   one an item attribute  of this user's ratings of items that share a value (mean over the values)
//   one                    over all known ratings between such users and such items (mean over the value pairs)
//   two                    of the item's few raters by how alike their ratings are to the user's; and of the user's few
//                          rated items by how alike they are rated to this one (only where there are few: who is new)
// Nothing hidden is read. Not a predictor by itself: a model weighs the numbers.
#pragma once

#include <cmath>
#include <vector>

#include "thaw/baselines/user_item_bias.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace hire {

class Affinities {
 public:
  static constexpr int kBesideAttributes = 3;
  static constexpr int kMost = 2 * 8 + kBesideAttributes;
  static constexpr std::size_t kFew = 5;  // ratings of whoever counts as new

  Affinities() = default;
  Affinities(const thaw::Dataset& data, const thaw::RatingGraph& visible, const thaw::RatingBiases& biases,
             std::int32_t least_entities)
      : visible_(&visible), biases_(&biases) {
    number(data.users, visible.by_user, least_entities, users_);
    number(data.items, visible.by_item, least_entities, items_);
    accumulate();
  }

  int count() const { return static_cast<int>(users_.size() + items_.size()) + kBesideAttributes; }

  void read(std::int32_t user, std::int32_t item, float* out) const {
    int k = 0;
    for (const Side& side : users_) {
      const Cell* row = by_item_.data() + static_cast<std::size_t>(item) * user_values_;
      out[k++] = mean_over(side, user, row, 10);
    }
    for (const Side& side : items_) {
      const Cell* row = by_user_.data() + static_cast<std::size_t>(user) * item_values_;
      out[k++] = mean_over(side, item, row, 5);
    }
    out[k++] = pair_mean(user, item);
    out[k++] = by_raters(user, item);
    out[k++] = by_rated(user, item);
  }

 private:
  struct Cell {
    float sum = 0;
    float count = 0;
  };
  // The values of one attribute that enough entities have, numbered across all attributes of the side; -1: too rare.
  struct Side {
    const thaw::Attribute* attribute;
    std::vector<std::int32_t> number;
  };

  void number(const thaw::Entities& side, const thaw::Csr& rows, std::int32_t least, std::vector<Side>& out) {
    std::int32_t next = 0;
    for (const thaw::Attribute& a : side.attributes) {
      std::vector<std::int32_t> entities(static_cast<std::size_t>(a.cardinality()), 0);
      for (std::int32_t e = 0; e < side.size(); ++e)
        if (!rows.row(e).empty())
          for (const std::int32_t v : a.of(e)) ++entities[static_cast<std::size_t>(v)];
      Side kept{&a, std::vector<std::int32_t>(entities.size(), -1)};
      for (std::size_t v = 0; v < entities.size(); ++v)
        if (entities[v] >= least) kept.number[v] = next++;
      out.push_back(std::move(kept));
    }
    (&out == &users_ ? user_values_ : item_values_) = static_cast<std::size_t>(next);
  }
  template <class Fn>
  static void each_value(const std::vector<Side>& sides, std::int32_t entity, Fn&& fn) {
    for (const Side& side : sides)
      for (const std::int32_t v : side.attribute->of(entity))
        if (const std::int32_t n = side.number[static_cast<std::size_t>(v)]; n >= 0) fn(static_cast<std::size_t>(n));
  }
  double residual(std::int32_t user, std::int32_t item, float rating) const {
    return static_cast<double>(rating) - biases_->mean - biases_->user[static_cast<std::size_t>(user)] -
           biases_->item[static_cast<std::size_t>(item)];
  }
  void accumulate() {
    by_item_.assign(static_cast<std::size_t>(visible_->item_count()) * user_values_, {});
    by_user_.assign(static_cast<std::size_t>(visible_->user_count()) * item_values_, {});
    pairs_.assign(user_values_ * item_values_, {});
    for (std::int32_t u = 0; u < visible_->user_count(); ++u)
      for (const auto& edge : visible_->by_user.row(u)) {
        const auto e = static_cast<float>(residual(u, edge.column, edge.value));
        const auto add = [e](Cell& cell) { cell.sum += e, cell.count += 1; };
        each_value(users_, u, [&](std::size_t a) {
          add(by_item_[static_cast<std::size_t>(edge.column) * user_values_ + a]);
          each_value(items_, edge.column, [&](std::size_t b) { add(pairs_[a * item_values_ + b]); });
        });
        each_value(items_, edge.column,
                   [&](std::size_t b) { add(by_user_[static_cast<std::size_t>(u) * item_values_ + b]); });
      }
  }
  static float mean_over(const Side& side, std::int32_t entity, const Cell* row, float shrink) {
    float sum = 0, values = 0;
    for (const std::int32_t v : side.attribute->of(entity)) {
      const std::int32_t n = side.number[static_cast<std::size_t>(v)];
      if (n < 0) continue;
      const Cell& cell = row[n];
      sum += cell.sum / (cell.count + shrink);
      values += 1;
    }
    return values > 0 ? sum / values : 0;
  }
  float pair_mean(std::int32_t user, std::int32_t item) const {
    float sum = 0, values = 0;
    each_value(users_, user, [&](std::size_t a) {
      each_value(items_, item, [&](std::size_t b) {
        const Cell& cell = pairs_[a * item_values_ + b];
        sum += cell.sum / (cell.count + 50);
        values += 1;
      });
    });
    return values > 0 ? sum / values : 0;
  }
  // Residuals of the item's few raters, weighed by how alike their rated items are rated to the user's.
  float by_raters(std::int32_t user, std::int32_t item) const {
    const auto raters = visible_->by_item.row(item);
    if (raters.size() > kFew) return 0;
    double sum = 0, weight = 0.3;
    for (const auto& edge : raters) {
      if (edge.column == user) continue;
      const double s = alike(
          visible_->by_user.row(user), visible_->by_user.row(edge.column),
          [&](std::int32_t at, float a, float b) { return residual(user, at, a) * residual(edge.column, at, b); });
      sum += s * residual(edge.column, item, edge.value);
      weight += std::abs(s);
    }
    return static_cast<float>(sum / weight);
  }
  // Residuals of the user's few ratings, weighed by how alike those items are rated to this one.
  float by_rated(std::int32_t user, std::int32_t item) const {
    const auto rated = visible_->by_user.row(user);
    if (rated.size() > kFew) return 0;
    double sum = 0, weight = 0.3;
    for (const auto& edge : rated) {
      if (edge.column == item) continue;
      const double s = alike(
          visible_->by_item.row(item), visible_->by_item.row(edge.column),
          [&](std::int32_t at, float a, float b) { return residual(at, item, a) * residual(at, edge.column, b); });
      sum += s * residual(user, edge.column, edge.value);
      weight += std::abs(s);
    }
    return static_cast<float>(sum / weight);
  }
  // sum of products over the common columns / (their number + 20), in squared stars.
  template <class Product>
  static double alike(std::span<const thaw::Csr::Edge> a, std::span<const thaw::Csr::Edge> b, Product&& product) {
    double sum = 0, count = 0;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
      if (a[i].column < b[j].column) {
        ++i;
      } else if (a[i].column > b[j].column) {
        ++j;
      } else {
        sum += product(a[i].column, a[i].value, b[j].value);
        count += 1;
        ++i, ++j;
      }
    }
    return sum / (count + 20);
  }

  const thaw::RatingGraph* visible_ = nullptr;
  const thaw::RatingBiases* biases_ = nullptr;
  std::vector<Side> users_, items_;
  std::size_t user_values_ = 0, item_values_ = 0;
  std::vector<Cell> by_item_, by_user_, pairs_;
};

}  // namespace hire
