// ItemFactors: the directions in which users' choices vary most: leading right singular vectors of the interactions.
//
//   const hyperrs::ItemFactors factors(interactions, {.width = 64});
//   std::span<const float> v = factors.row(item);                    // zero for an item without users
//
// Of D_u^-1/2 X D_i^-1/2 (D: counts of users and items), by subspace iteration from a random start; exact where the
// spectrum has gaps, good enough to start a network from anywhere. Rows are scaled to mean square 1 over the items with
// users. Not a recommender.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/graph/interactions.hpp"

namespace hyperrs {

class ItemFactors {
 public:
  struct Options {
    int width = 64;
    int rounds = 8;
    std::uint64_t seed = 1;
  };

  ItemFactors(const thaw::Interactions& x, const Options& options)
      : width_(static_cast<std::size_t>(options.width)),
        rows_(static_cast<std::size_t>(x.item_count()) * width_, 0.0F) {
    thaw::Philox rng(thaw::Key{options.seed}.fold(0x737664));
    std::size_t known = 0;
    for (std::int32_t i = 0; i < x.item_count(); ++i) {
      if (x.by_item.row(i).empty()) continue;
      ++known;
      for (float& v : row(i)) v = static_cast<float>(rng.normal());
    }
    for (int round = 0; round < options.rounds; ++round) {
      multiply(x);
      orthonormalise();
    }
    for (float& v : rows_) v *= std::sqrt(static_cast<float>(known));
  }

  std::size_t width() const { return width_; }
  std::span<const float> row(std::int32_t item) const {
    return {rows_.data() + static_cast<std::size_t>(item) * width_, width_};
  }

 private:
  std::span<float> row(std::int32_t item) { return {rows_.data() + static_cast<std::size_t>(item) * width_, width_}; }
  // V = D_i^-1/2 X^T D_u^-1 X D_i^-1/2 V
  void multiply(const thaw::Interactions& x) {
    const auto scale_items = [&] {
      for (std::int32_t i = 0; i < x.item_count(); ++i) {
        const auto count = static_cast<float>(x.by_item.row(i).size());
        for (float& v : row(i)) v /= std::sqrt((std::max)(1.0F, count));
      }
    };
    scale_items();
    std::vector<float> next(rows_.size(), 0.0F), sum(width_);
    for (std::int32_t u = 0; u < x.user_count(); ++u) {
      const auto items = x.by_user.row(u);
      if (items.empty()) continue;
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (const std::int32_t i : items)
        for (std::size_t k = 0; k < width_; ++k) sum[k] += row(i)[k];
      for (float& s : sum) s /= static_cast<float>(items.size());
      for (const std::int32_t i : items) {
        float* to = next.data() + static_cast<std::size_t>(i) * width_;
        for (std::size_t k = 0; k < width_; ++k) to[k] += sum[k];
      }
    }
    rows_ = std::move(next);
    scale_items();
  }
  // Modified Gram-Schmidt over the columns; a column that vanishes stays zero.
  void orthonormalise() {
    const std::size_t items = rows_.size() / width_;
    std::vector<float> columns(rows_.size());  // (width, items): columns lie together
    for (std::size_t i = 0; i < items; ++i)
      for (std::size_t k = 0; k < width_; ++k) columns[k * items + i] = rows_[i * width_ + k];
    for (std::size_t k = 0; k < width_; ++k) {
      float* const own = columns.data() + k * items;
      for (std::size_t before = 0; before < k; ++before) {
        const float* const other = columns.data() + before * items;
        float dot = 0;
        for (std::size_t i = 0; i < items; ++i) dot += own[i] * other[i];
        for (std::size_t i = 0; i < items; ++i) own[i] -= dot * other[i];
      }
      double squares = 0;
      for (std::size_t i = 0; i < items; ++i) squares += static_cast<double>(own[i] * own[i]);
      const float factor = squares > 1e-20 ? static_cast<float>(1 / std::sqrt(squares)) : 0.0F;
      for (std::size_t i = 0; i < items; ++i) own[i] *= factor;
    }
    for (std::size_t i = 0; i < items; ++i)
      for (std::size_t k = 0; k < width_; ++k) rows_[i * width_ + k] = columns[k * items + i];
  }

  std::size_t width_;
  std::vector<float> rows_;  // (items, width)
};

}  // namespace hyperrs
