// From prediction contexts to the index lists that the network reads.
//
//   hire::ContextPacker packer(dataset, levels);
//   packer.clear();
//   packer.add(context, cells);                      // any number of contexts of equal size
//   hire::Batch<float> batch = packer.batch();       // valid until the next clear()
//
// Buffers are kept: once the largest batch has been seen nothing is allocated.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "hire/affinity.hpp"
#include "hire/model.hpp"
#include "hire/recipe.hpp"
#include "thaw/baselines/user_item_bias.hpp"
#include "thaw/data/context_cells.hpp"
#include "thaw/data/dataset.hpp"

namespace hire {

// The rating values of a data set as levels 0 .. count-1: the values themselves where there are few, else ten bins.
class RatingLevels {
 public:
  RatingLevels() = default;
  explicit RatingLevels(const thaw::Dataset& data) : lowest_(data.lowest), highest_(data.highest) {
    float step = highest_ - lowest_;
    for (const auto& r : data.ratings) {
      const float above = r.value - lowest_;
      if (above > 0) step = (std::min)(step, above);
    }
    const float values = step > 0 ? (highest_ - lowest_) / step + 1 : 1;
    count_ =
        values <= 20.5F && std::abs(values - std::round(values)) < 1e-3F ? static_cast<int>(std::lround(values)) : 10;
  }
  int count() const { return count_; }
  std::int32_t of(float rating) const {
    if (count_ < 2) return 0;
    const float place = (rating - lowest_) / (highest_ - lowest_) * static_cast<float>(count_ - 1);
    return static_cast<std::int32_t>(std::lround((std::clamp)(place, 0.0F, static_cast<float>(count_ - 1))));
  }

 private:
  float lowest_ = 1, highest_ = 5;
  int count_ = 5;
};

// What is known of everybody beside attributes: biases and activity, from the ratings that may be seen.
struct Statistics {
  static constexpr Index kNumbers = 2;  // bias, log of the number of ratings
  std::vector<float> user, item;        // (users, kNumbers), (items, kNumbers)
  thaw::RatingBiases biases;

  Statistics() = default;
  Statistics(const thaw::RatingGraph& visible, thaw::RatingBiases fitted) : biases(std::move(fitted)) {
    const auto fill = [](const thaw::Csr& rows, const std::vector<double>& bias, std::vector<float>& out) {
      for (std::int32_t e = 0; e < rows.rows(); ++e) {
        out.push_back(static_cast<float>(2 * bias[static_cast<std::size_t>(e)]));
        out.push_back(static_cast<float>(0.25 * std::log1p(static_cast<double>(rows.row(e).size()))));
      }
    };
    fill(visible.by_user, biases.user, user);
    fill(visible.by_item, biases.item, item);
  }
  // mean + user bias + item bias.
  double predict(std::int32_t u, std::int32_t i) const {
    return biases.mean + biases.user[static_cast<std::size_t>(u)] + biases.item[static_cast<std::size_t>(i)];
  }
};

// The range of a network that corrects a prediction: half a step beyond the scale, so that its ends can be reached.
struct Range {
  double lowest, highest;
};
inline Range wide_range(const thaw::Dataset& data) {
  const double margin = 0.125 * static_cast<double>(data.highest - data.lowest);
  return {static_cast<double>(data.lowest) - margin, static_cast<double>(data.highest) + margin};
}

// Several contexts of equal size in the form that the network reads, with the targets of the loss.
class ContextPacker {
 public:
  explicit ContextPacker(const thaw::Dataset& data) : data_(&data), levels_(data), range_(wide_range(data)) {
    user_lists_.resize(data.users.attributes.size());
    item_lists_.resize(data.items.attributes.size());
    clear();
  }
  const RatingLevels& levels() const { return levels_; }

  // Leaves out attribute values that fewer than `least` of the entities with known ratings have: a value of one film
  // or two would only name it, and what is learnt of a name is of no use for the next new film.
  void leave_out_rare(const thaw::RatingGraph& known, std::int32_t least) {
    const auto count = [least](const thaw::Entities& side, const thaw::Csr& rows, std::vector<Lists>& lists) {
      for (std::size_t a = 0; a < lists.size(); ++a) {
        std::vector<std::int32_t> entities(static_cast<std::size_t>(side.attributes[a].cardinality()), 0);
        for (std::int32_t e = 0; e < side.size(); ++e)
          if (!rows.row(e).empty())
            for (const std::int32_t value : side.attributes[a].of(e)) ++entities[static_cast<std::size_t>(value)];
        lists[a].is_rare.assign(entities.size(), 0);
        for (std::size_t v = 0; v < entities.size(); ++v) lists[a].is_rare[v] = entities[v] < least;
      }
    };
    count(data_->users, known.by_user, user_lists_);
    count(data_->items, known.by_item, item_lists_);
  }

  void clear() {
    for (auto& list : user_lists_) list.clear();
    for (auto& list : item_lists_) list.clear();
    for (auto* numbers : {&truth_, &weight_, &user_numbers_, &item_numbers_, &cell_numbers_, &offset_})
      numbers->clear();
    rating_.clear();
    contexts_ = 0;
  }

  // Every visible rating becomes input; the others stay unknown to the network. `statistics` and `base` (a predicted
  // rating for each cell, which the network corrects) may be null, `numbers` (some for each cell) empty.
  void add(const thaw::Context& context, const thaw::ContextCells& cells, const Statistics* statistics = nullptr,
           const float* base = nullptr, std::span<const float> numbers = {}) {
    thaw::require(contexts_ == 0 || (context.users.size() == users_ && context.items.size() == items_),
                  "ContextPacker: contexts of one batch must have one size");
    users_ = context.users.size();
    items_ = context.items.size();
    ++contexts_;
    for (std::size_t a = 0; a < user_lists_.size(); ++a)
      for (const std::int32_t u : context.users) user_lists_[a].append(data_->users.attributes[a].of(u));
    for (std::size_t a = 0; a < item_lists_.size(); ++a)
      for (const std::int32_t i : context.items) item_lists_[a].append(data_->items.attributes[a].of(i));
    for (std::size_t c = 0; c < cells.rating.size(); ++c)
      rating_.push_back(cells.visible[c] != 0 ? levels_.of(cells.rating[c]) : -1);
    if (statistics != nullptr) {
      append_numbers(statistics->user, context.users, user_numbers_);
      append_numbers(statistics->item, context.items, item_numbers_);
    }
    cell_numbers_.insert(cell_numbers_.end(), numbers.begin(), numbers.end());
    if (base != nullptr)
      for (std::size_t c = 0; c < cells.rating.size(); ++c) offset_.push_back(logit(base[c]));
  }
  // The loss of the context added last: squared error of the cells that `counts(cell)` accepts, each weighing `weight`.
  template <class Counts>
  void add_targets(const thaw::ContextCells& cells, double weight, Counts&& counts) {
    for (std::size_t c = 0; c < cells.rating.size(); ++c) {
      truth_.push_back(cells.rating[c]);
      weight_.push_back(counts(c) ? static_cast<float>(weight) : 0.0F);
    }
  }

  Batch<float> batch() const {
    Batch<float> b;
    b.contexts = static_cast<Index>(contexts_);
    b.users = static_cast<Index>(users_);
    b.items = static_cast<Index>(items_);
    for (std::size_t a = 0; a < user_lists_.size(); ++a) b.user[a] = user_lists_[a].bags();
    for (std::size_t a = 0; a < item_lists_.size(); ++a) b.item[a] = item_lists_[a].bags();
    b.rating = {rating_.data(), nullptr, static_cast<Index>(rating_.size())};
    if (!user_numbers_.empty()) b.user_statistics = user_numbers_.data();
    if (!item_numbers_.empty()) b.item_statistics = item_numbers_.data();
    if (!cell_numbers_.empty()) b.cell_statistics = cell_numbers_.data();
    if (!offset_.empty()) b.offset = offset_.data();
    return b;
  }
  // (contexts, users, items): what to predict, and how much each cell counts.
  const float* truth() const { return truth_.data(); }
  const float* weight() const { return weight_.data(); }
  std::size_t cells() const { return rating_.size(); }

 private:
  struct Lists {
    std::vector<std::int32_t> ids, offsets{0};
    std::vector<std::uint8_t> is_rare;  // by value; empty: none is
    void clear() {
      ids.clear();
      offsets.assign(1, 0);
    }
    void append(std::span<const std::int32_t> values) {
      for (const std::int32_t value : values)
        if (is_rare.empty() || is_rare[static_cast<std::size_t>(value)] == 0) ids.push_back(value);
      offsets.push_back(static_cast<std::int32_t>(ids.size()));
    }
    Bags bags() const { return {ids.data(), offsets.data(), static_cast<Index>(offsets.size()) - 1, true}; }
  };
  static void append_numbers(const std::vector<float>& from, const std::vector<std::int32_t>& ids,
                             std::vector<float>& to) {
    for (const std::int32_t id : ids)
      for (Index k = 0; k < Statistics::kNumbers; ++k)
        to.push_back(from[static_cast<std::size_t>(id * Statistics::kNumbers + k)]);
  }
  // Where the decoder's sigmoid must stand to give this rating; kept off the ends, where it would be infinite.
  float logit(float rating) const {
    const auto lowest = static_cast<float>(range_.lowest), highest = static_cast<float>(range_.highest);
    const float inside = (std::clamp)((rating - lowest) / (highest - lowest), 0.03F, 0.97F);
    return std::log(inside / (1 - inside));
  }

  const thaw::Dataset* data_;
  RatingLevels levels_;
  Range range_;
  std::vector<Lists> user_lists_, item_lists_;
  std::vector<std::int32_t> rating_;
  std::vector<float> truth_, weight_, user_numbers_, item_numbers_, cell_numbers_, offset_;
  std::size_t contexts_ = 0, users_ = 0, items_ = 0;
};

// The settings of the network that a recipe asks for, over a data set.
inline Settings settings_for(const thaw::Dataset& data, const RatingLevels& levels, const Recipe& recipe) {
  Settings s;
  s.width = recipe.width;
  s.heads = recipe.heads;
  s.blocks = recipe.blocks;
  s.expansion = recipe.expansion;
  s.order = recipe.order;
  s.divisor = recipe.divisor;
  const auto count = [](const thaw::Entities& side, Index* cardinality) {
    thaw::require(side.attributes.size() <= kMaxAttributes, "settings_for: ", side.attributes.size(),
                  " attributes, at most 8 are read");
    for (std::size_t a = 0; a < side.attributes.size(); ++a)
      cardinality[a] = (std::max)(std::int32_t(1), side.attributes[a].cardinality());
    return static_cast<int>(side.attributes.size());
  };
  s.user_attributes = count(data.users, s.user_cardinality);
  s.item_attributes = count(data.items, s.item_cardinality);
  s.rating_levels = levels.count();
  s.highest = static_cast<double>(data.highest);  // from zero: ratings are highest * sigmoid, as published
  if (recipe.on_biases) {
    s.lowest = wide_range(data).lowest;
    s.highest = wide_range(data).highest;
    s.user_statistics = s.item_statistics = Statistics::kNumbers;
    s.cell_statistics = s.user_attributes + s.item_attributes + Affinities::kBesideAttributes;
  }
  return s;
}

}  // namespace hire
