// What the interactions of a data set say about a user and an item, in numbers that mean the same on every data set.
//
//   thaw::Result<zero_shot::Statistics> target = zero_shot::Statistics::fit(visible, {});
//   zero_shot::EvidenceSpace space;
//   zero_shot::gather(target.value(), history, space);        // space.walks: (items, kWalks), space.linear: (head)
//
// Twelve pieces of evidence. With H the history, c(v) the items that user v shares with it, d_v and d_i degrees, and
// sums over users v who have the item j and share something with H, r(v) = sum over shared items i of d_i^-1/2:
//
//   walk        P3alpha: sum over v of  (sum of 1/d_i over shared i) / d_v
//   cosine      sum over i of cosine(i, j), nothing cut off
//   symmetric   the same with 1/d_v for each v: one step of a linear low-pass filter
//   alike       sum of s(v)^2,  s(v) = c(v) / sqrt(d_v |H|)        users who are alike
//   very_alike  sum of s(v)^4                                      the most alike among them
//   rare        sum of (r(v) / sqrt(d_v))^3                        users alike in rare items
//   paths       sum of c(v)
//   people      number of v
//   linear      EASE on the `head` most popular items that are not new
//   less_walked walk / sqrt(d_j): RP3beta                          does not punish rare items
//   close       alike / (d_j + 1)                                  how alike the item's users are, few or many
//   popularity  d_j
//
// All are functions of the graph alone: no number depends on the order of ids, none is learnt from labels. Two passes
// over the neighbours of a history cost at most two passes over the data. Not a model: features.hpp makes inputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "thaw/baselines/ease.hpp"
#include "thaw/graph/interactions.hpp"

namespace zero_shot {

enum class Evidence : int {
  walk,
  cosine,
  symmetric,
  alike,
  very_alike,
  rare,
  paths,
  people,
  linear,
  less_walked,
  close,
  popularity
};
inline constexpr int kWalks = 8;  // the first ones come from walks
inline constexpr int kEvidences = 12;
inline constexpr const char* kEvidenceNames[kEvidences] = {"walk",       "cosine",      "symmetric", "alike",
                                                           "very alike", "rare",        "paths",     "people",
                                                           "linear",     "less walked", "close",     "popularity"};

struct StatisticsOptions {
  std::int32_t head_items = 4000;  // items of the linear model: cost grows with the cube
  double head_penalty = 5;         // its lambda, in mean degrees of the head
  std::vector<char> is_new = {};   // (items), 1 for those that were launched lately; empty: none
  int threads = 1;
};

// A data set as the recommender sees it. Nothing here is learnt from other data sets.
class Statistics {
 public:
  static thaw::Result<Statistics> fit(const thaw::RatingGraph& visible, const StatisticsOptions& options) {
    thaw::Result<thaw::Interactions> x = thaw::Interactions::from_graph(visible);
    if (!x) return x.fault();
    Statistics s;
    s.x_ = std::move(x.value());
    s.item_degree_ = degrees(s.x_.by_item);
    s.user_degree_ = degrees(s.x_.by_user);
    for (const float d : s.item_degree_) s.item_root_.push_back(d > 0 ? 1 / std::sqrt(d) : 0.0f);
    thaw::require(options.is_new.empty() || options.is_new.size() == s.item_degree_.size(), "Statistics: is_new has ",
                  options.is_new.size(), " entries for ", s.item_degree_.size(), " items");
    s.is_new_ = options.is_new;
    s.order_by_popularity();
    if (const thaw::Result<thaw::Done> done = s.fit_head(options); !done) return done.fault();
    return s;
  }

  const thaw::Interactions& interactions() const { return x_; }
  std::int32_t item_count() const { return x_.item_count(); }
  float item_degree(std::int32_t item) const { return item_degree_[static_cast<std::size_t>(item)]; }
  float item_root(std::int32_t item) const { return item_root_[static_cast<std::size_t>(item)]; }
  float user_degree(std::int32_t user) const { return user_degree_[static_cast<std::size_t>(user)]; }
  // Whether an item is known to be new, so that few interactions do not mean that few want it.
  bool is_new(std::int32_t item) const { return !is_new_.empty() && is_new_[static_cast<std::size_t>(item)] != 0; }
  bool any_new() const { return !is_new_.empty(); }
  // Items, the most popular first; and for each item its rank from 1, the mean rank where degrees are equal.
  const std::vector<std::int32_t>& by_popularity() const { return by_popularity_; }
  float popularity_rank(std::int32_t item) const { return popularity_rank_[static_cast<std::size_t>(item)]; }
  float largest_degree() const { return item_degree_[static_cast<std::size_t>(by_popularity_[0])]; }
  // The place of an item in the linear model, -1 for none.
  std::int32_t head_place(std::int32_t item) const { return head_place_[static_cast<std::size_t>(item)]; }
  std::int32_t head_size() const { return head_ ? head_->item_count() : 0; }
  const thaw::EasePredictor& head() const { return *head_; }
  // Means over items and users that have any interaction.
  double mean_item_degree() const { return mean_positive(item_degree_); }
  double mean_user_degree() const { return mean_positive(user_degree_); }
  // Items with any interaction.
  std::int32_t live_items() const { return live_items_; }

 private:
  static std::vector<float> degrees(const thaw::IdLists& lists) {
    std::vector<float> out;
    for (std::int32_t row = 0; row < lists.rows(); ++row) out.push_back(static_cast<float>(lists.row(row).size()));
    return out;
  }
  static double mean_positive(const std::vector<float>& values) {
    double sum = 0, count = 0;
    for (const float v : values) sum += static_cast<double>(v), count += v > 0 ? 1 : 0;
    return count > 0 ? sum / count : 0;
  }
  void order_by_popularity() {
    const auto items = static_cast<std::size_t>(item_count());
    by_popularity_.resize(items);
    std::iota(by_popularity_.begin(), by_popularity_.end(), 0);
    std::stable_sort(by_popularity_.begin(), by_popularity_.end(),
                     [this](std::int32_t a, std::int32_t b) { return item_degree(a) > item_degree(b); });
    popularity_rank_.resize(items);
    for (std::size_t begin = 0; begin < items;) {
      std::size_t end = begin;
      while (end < items && item_degree(by_popularity_[end]) == item_degree(by_popularity_[begin])) ++end;
      const float rank = 0.5f * static_cast<float>(begin + 1 + end);
      for (std::size_t i = begin; i < end; ++i) popularity_rank_[static_cast<std::size_t>(by_popularity_[i])] = rank;
      begin = end;
    }
    live_items_ = static_cast<std::int32_t>(
        std::count_if(item_degree_.begin(), item_degree_.end(), [](float d) { return d > 0; }));
  }
  // The most popular items that are not new: of those the linear model would know too little. The head ends before a
  // group of equal degrees that would not fit, so that it does not depend on the order of ids; a group that alone is
  // too large is cut.
  std::vector<std::int32_t> head_items(const StatisticsOptions& options) const {
    std::vector<std::int32_t> items;
    for (const std::int32_t item : by_popularity_)
      if (!is_new(item) && item_degree(item) > 0) items.push_back(item);
    const auto n = static_cast<std::size_t>((std::max)(0, options.head_items));
    if (items.size() <= n) return items;
    std::size_t whole = n;
    while (whole > 0 && item_degree(items[whole - 1]) == item_degree(items[n])) --whole;
    items.resize(2 * whole >= n ? whole : n);
    return items;
  }
  thaw::Result<thaw::Done> fit_head(const StatisticsOptions& options) {
    const std::vector<std::int32_t> head_list = head_items(options);
    const auto n = static_cast<std::int32_t>(head_list.size());
    head_place_.assign(static_cast<std::size_t>(item_count()), -1);
    if (n < 2) return thaw::Done{};
    for (std::int32_t place = 0; place < n; ++place)
      head_place_[static_cast<std::size_t>(head_list[static_cast<std::size_t>(place)])] = place;
    std::vector<thaw::Rating> ratings;
    for (std::int32_t user = 0; user < x_.user_count(); ++user)
      for (const std::int32_t item : x_.by_user.row(user))
        if (head_place(item) >= 0) ratings.push_back({user, head_place(item), 1.0f});
    const double mean = static_cast<double>(ratings.size()) / static_cast<double>(n);
    thaw::Result<thaw::EasePredictor> head =
        thaw::EasePredictor::fit(thaw::RatingGraph::from_ratings(ratings, x_.user_count(), n),
                                 {.regularization = options.head_penalty * mean, .threads = options.threads});
    if (!head) return head.fault();
    head_.emplace(std::move(head.value()));
    return thaw::Done{};
  }

  thaw::Interactions x_;
  std::vector<float> item_degree_, user_degree_, item_root_, popularity_rank_;
  std::vector<std::int32_t> by_popularity_, head_place_;
  std::vector<char> is_new_;
  std::int32_t live_items_ = 0;
  std::optional<thaw::EasePredictor> head_;
};

// What one user's evidence is gathered in; reuse it, it allocates only when a data set is larger than the one before.
struct EvidenceSpace {
  std::vector<float> walks;          // (items, kWalks)
  std::vector<float> linear;         // (head)
  std::vector<std::int32_t> people;  // users who share an item with the history
  std::vector<float> shared;         // (users, 4): sums over shared items, zero between uses
};

namespace detail {

inline void find_people(const Statistics& s, std::span<const std::int32_t> history, EvidenceSpace& space) {
  space.shared.resize(4 * static_cast<std::size_t>(s.interactions().user_count()), 0.0f);
  space.people.clear();
  for (const std::int32_t item : history) {
    const float root = s.item_root(item);
    for (const std::int32_t user : s.interactions().by_item.row(item)) {
      float* sums = &space.shared[4 * static_cast<std::size_t>(user)];
      if (sums[0] == 0) space.people.push_back(user);
      sums[0] += 1;
      sums[1] += root * root;
      sums[2] += root;
    }
  }
}

// What each user's items gain, in the order of Evidence.
struct Weights {
  float of[kWalks];
};
inline Weights weights_of(const float* sums, float degree, float history) {
  const float root = 1 / std::sqrt(degree);
  const float alike = sums[0] * sums[0] / (degree * history);
  const float rare = sums[2] * root;
  return {{sums[1] / degree, sums[2], sums[2] / degree, alike, alike * alike, rare * rare * rare, sums[0], 1.0f}};
}

}  // namespace detail

// Items of the history are distinct ids of the data set; their own evidence is meaningless.
inline void gather(const Statistics& s, std::span<const std::int32_t> history, EvidenceSpace& space) {
  space.walks.assign(kWalks * static_cast<std::size_t>(s.item_count()), 0.0f);
  detail::find_people(s, history, space);
  const auto length = static_cast<float>(history.size());
  for (const std::int32_t user : space.people) {
    float* const sums = &space.shared[4 * static_cast<std::size_t>(user)];
    const detail::Weights weights = detail::weights_of(sums, s.user_degree(user), length);
    for (int k = 0; k < 4; ++k) sums[k] = 0;
    for (const std::int32_t item : s.interactions().by_user.row(user)) {
      float* const to = &space.walks[kWalks * static_cast<std::size_t>(item)];
      for (int k = 0; k < kWalks; ++k) to[k] += weights.of[k];
    }
  }
  for (std::int32_t item = 0; item < s.item_count(); ++item) {
    float* const of = &space.walks[kWalks * static_cast<std::size_t>(item)];
    of[static_cast<int>(Evidence::cosine)] *= s.item_root(item);
    of[static_cast<int>(Evidence::symmetric)] *= s.item_root(item);
  }
  space.linear.assign(static_cast<std::size_t>(s.head_size()), 0.0f);
  for (const std::int32_t item : history) {
    if (s.head_place(item) < 0) continue;
    const std::span<const float> row = s.head().row(s.head_place(item));
    for (std::size_t i = 0; i < row.size(); ++i) space.linear[i] += row[i];
  }
}

}  // namespace zero_shot
