// The inputs of the network: for one user a list of candidates, and for each what every piece of evidence says about
// it.
//
//   zero_shot::PairFeatures pairs;
//   pairs.build(target, history, {});
//   pairs.items();          // candidates: the best of each piece of evidence and new items, no item of the history
//   pairs.row(0);           // (kFeatures) of the first
//
// For each piece of evidence two numbers: where the item stands in the list that this evidence alone would make, as
// log2(rank) / 9 (0 for the top, 1 from rank 512 on and without evidence), and the square root of its share of the
// top score. Equal scores share their mean rank. Then what describes the user, the item and the data set, so that one
// network serves dense and sparse ones. Rank and share survive any change of scale; none depends on the order of ids.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "zero_shot/evidence.hpp"

namespace zero_shot {

inline constexpr int kContext = 10;
inline constexpr int kFeatures = 2 * kEvidences + kContext;

class PairFeatures {
 public:
  // `also` are items that must be among the candidates, whatever the evidence says.
  void build(const Statistics& s, std::span<const std::int32_t> history, std::span<const std::int32_t> also) {
    gather(s, history, space_);
    role_.assign(static_cast<std::size_t>(s.item_count()), Role::other);
    for (const std::int32_t item : history) role_[static_cast<std::size_t>(item)] = Role::known;
    items_.clear();
    for (const std::int32_t item : also) choose(item);
    for (int e = 0; e < kEvidences; ++e) make_list(s, e);
    if (s.any_new()) choose_new(s);
    rows_.resize(items_.size() * kFeatures);
    Context user = context_of(s, history);
    for (std::size_t i = 0; i < items_.size(); ++i) fill(s, items_[i], user, &rows_[i * kFeatures]);
  }

  const std::vector<std::int32_t>& items() const { return items_; }
  std::span<const float> row(std::size_t i) const { return {&rows_[i * kFeatures], kFeatures}; }
  const std::vector<float>& rows() const { return rows_; }  // (candidates, kFeatures)
  // Users who share an item with the history.
  std::int32_t people() const { return static_cast<std::int32_t>(space_.people.size()); }
  // The features of "this evidence says nothing", for asking what an item owes to it.
  static void erase_evidence(int e, float* row) { row[2 * e] = 1, row[2 * e + 1] = 0; }

 private:
  static constexpr std::size_t kDeep = 512;  // ranks are told apart up to here
  static constexpr std::size_t kNear = 150;  // candidates of each piece of evidence

  enum class Role : std::uint8_t { other, candidate, known };
  struct Entry {
    float score;
    std::int32_t item;
  };
  struct Context {
    float of[kContext];
  };

  void choose(std::int32_t item) {
    Role& role = role_[static_cast<std::size_t>(item)];
    if (role != Role::other) return;
    role = Role::candidate;
    items_.push_back(item);
  }
  // New items that share anybody with the history, whatever their place in a list.
  void choose_new(const Statistics& s) {
    for (std::int32_t item = 0; item < s.item_count(); ++item)
      if (s.is_new(item) && score(s, static_cast<int>(Evidence::people), item) > 0) choose(item);
  }
  float score(const Statistics& s, int e, std::int32_t item) const {
    const float* const walks = &space_.walks[kWalks * static_cast<std::size_t>(item)];
    if (e < kWalks) return walks[e];
    switch (static_cast<Evidence>(e)) {
      case Evidence::popularity:
        return s.item_degree(item);
      case Evidence::less_walked:
        return walks[static_cast<int>(Evidence::walk)] * s.item_root(item);
      case Evidence::close:
        return walks[static_cast<int>(Evidence::alike)] / (s.item_degree(item) + 1);
      default:
        break;
    }
    const std::int32_t place = s.head_place(item);
    return place < 0 ? 0.0f : space_.linear[static_cast<std::size_t>(place)];
  }
  // The kDeep best scores of one piece of evidence, and its best items as candidates.
  void make_list(const Statistics& s, int e) {
    std::vector<float>& deep = deep_[static_cast<std::size_t>(e)];
    deep.clear(), entries_.clear();
    const auto add = [&](std::int32_t item) {
      const float value = score(s, e, item);
      if (value > 0 && role_[static_cast<std::size_t>(item)] != Role::known) entries_.push_back({value, item});
    };
    if (e == static_cast<int>(Evidence::popularity)) {
      for (const std::int32_t item : s.by_popularity()) {  // sorted already
        if (entries_.size() == kDeep) break;
        add(item);
      }
    } else {
      for (std::int32_t item = 0; item < s.item_count(); ++item) add(item);
    }
    const auto better = [&](const Entry& a, const Entry& b) {
      if (a.score != b.score) return a.score > b.score;
      const float x = s.item_degree(a.item), y = s.item_degree(b.item);
      return x != y ? x > y : a.item < b.item;
    };
    if (entries_.size() > kDeep) {
      std::nth_element(entries_.begin(), entries_.begin() + kDeep, entries_.end(), better);
      entries_.resize(kDeep);
    }
    std::sort(entries_.begin(), entries_.end(), better);
    for (const Entry& entry : entries_) deep.push_back(entry.score);
    if (e == static_cast<int>(Evidence::less_walked) || e == static_cast<int>(Evidence::close)) return;
    for (std::size_t i = 0; i < (std::min)(kNear, entries_.size()); ++i) choose(entries_[i].item);
  }
  Context context_of(const Statistics& s, std::span<const std::int32_t> history) const {
    const auto log_of = [](double x, double unit) { return static_cast<float>(std::log2(1 + x) / unit); };
    float in_head = 0, reached = 0;
    for (const std::int32_t item : history) in_head += s.head_place(item) >= 0 ? 1.0f : 0.0f;
    for (std::size_t i = 0; i < space_.walks.size(); i += kWalks) reached += space_.walks[i] > 0 ? 1.0f : 0.0f;
    const auto length = static_cast<double>(history.size());
    return {{log_of(length, 10), 0, 0, log_of(s.mean_item_degree(), 10), log_of(s.mean_user_degree(), 10),
             log_of(s.live_items(), 20), history.empty() ? 0.0f : in_head / static_cast<float>(history.size()),
             log_of(static_cast<double>(space_.people.size()), 16), log_of(static_cast<double>(reached), 16), 0}};
  }
  void fill(const Statistics& s, std::int32_t item, const Context& user, float* row) const {
    for (int e = 0; e < kEvidences; ++e) {
      const std::vector<float>& deep = deep_[static_cast<std::size_t>(e)];
      const float value = score(s, e, item);
      erase_evidence(e, row);
      if (value > 0 && !deep.empty()) {
        row[2 * e] = log_rank(deep, value);
        row[2 * e + 1] = std::sqrt((std::min)(1.0f, value / deep.front()));
      }
    }
    float* const rest = row + 2 * kEvidences;
    for (int k = 0; k < kContext; ++k) rest[k] = user.of[k];
    rest[1] = static_cast<float>(std::log2(1 + static_cast<double>(s.item_degree(item))) / 12);
    rest[2] = s.head_place(item) >= 0 ? 1.0f : 0.0f;
    rest[9] = s.is_new(item) ? 1.0f : 0.0f;
  }
  // Scores that differ by rounding alone are equal: the order of a sum follows the order of ids.
  static float log_rank(const std::vector<float>& deep, float value) {
    constexpr float kRounding = 1e-5f;
    const auto first = std::lower_bound(deep.begin(), deep.end(), value * (1 + kRounding), std::greater<float>());
    const auto last = std::upper_bound(first, deep.end(), value * (1 - kRounding), std::greater<float>());
    if (first == deep.end()) return 1;
    const auto above = static_cast<float>(first - deep.begin()), equal = static_cast<float>(last - first);
    return (std::min)(1.0f, std::log2(above + 0.5f * (equal + 1)) / 9.0f);
  }

  EvidenceSpace space_;
  std::vector<Role> role_;  // (items)
  std::vector<Entry> entries_;
  std::vector<std::int32_t> items_;
  std::vector<float> rows_;
  std::vector<float> deep_[kEvidences];
};

}  // namespace zero_shot
