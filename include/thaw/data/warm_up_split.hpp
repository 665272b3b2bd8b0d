// The split for items that warm up: old items to learn from, new items whose impressions arrive slice by slice.
//
//   thaw::Result<thaw::WarmUpSplit> made = thaw::split_warm_up(clicks, {.sizes = thaw::WarmUpSizes::of(200, 20)});
//   for (thaw::Phase phase : thaw::kPhases) {
//     if (phase != thaw::Phase::cold) learn(made.value().learnt(phase));
//     measure(made.value().measured(phase, thaw::EvaluationOrder::next_slice));
//   }
//
// Items with more than N impressions are old, those with 3 K to N new; others are left out. In the order of time each
// new item gives its first K impressions to warm-a, the next K to warm-b, the next to warm-c and the rest to test. The
// two evaluation orders give different numbers under the same name, save in the last phase: next-slice measures each
// phase on the slice that is learnt from afterwards, fixed-test always on test. Not for new users:
// cold_start_split.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/clicks.hpp"

namespace thaw::inline v0 {

// What has been learnt from a new item: nothing, one, two, three slices.
enum class Phase : std::uint8_t { cold, warm_a, warm_b, warm_c };
inline constexpr std::array kPhases{Phase::cold, Phase::warm_a, Phase::warm_b, Phase::warm_c};
inline constexpr const char* kPhaseNames[] = {"cold", "warm-a", "warm-b", "warm-c"};
inline const char* name_of(Phase phase) { return kPhaseNames[static_cast<std::size_t>(phase)]; }

enum class EvaluationOrder : std::uint8_t {
  next_slice,  // cold on warm-a, then on warm-b, on warm-c, on test: not a learning curve, the samples change
  fixed_test,  // always on test
};
inline const char* name_of(EvaluationOrder order) {
  return order == EvaluationOrder::next_slice ? "next slice" : "fixed test";
}

// Which items are old and new, by their number of impressions, ends included; and the size of a slice.
struct WarmUpSizes {
  std::int64_t old_from = 201;
  std::int64_t new_from = 60;
  std::int64_t new_to = 200;
  std::int32_t slice = 20;

  // Old above N, new from 3 K to N.
  static constexpr WarmUpSizes of(std::int64_t n, std::int32_t k) { return {n + 1, 3 * std::int64_t{k}, n, k}; }
  // Old above N, new strictly between 3 K and N, so that every new item has an impression to test.
  static constexpr WarmUpSizes strict(std::int64_t n, std::int32_t k) {
    return {n + 1, 3 * std::int64_t{k} + 1, n - 1, k};
  }
};

struct WarmUpOptions {
  WarmUpSizes sizes;
  std::uint64_t seed = 1;  // of the order where times are equal or not known
  bool use_times = true;
};

struct WarmUpSplit {
  std::vector<std::int32_t> old_items, new_items;     // ascending
  std::vector<std::int32_t> base;                     // impressions of old items, the earliest first
  std::array<std::vector<std::int32_t>, 4> slices;    // warm-a, warm-b, warm-c, test; each the earliest first
  std::int64_t left_out = 0;                          // impressions of items with too few, or between new and old
  std::int32_t items_left_out = 0, items_unseen = 0;  // items of those, and items without any impression
  std::string order;                                  // in words, for a results table
  bool chronological = false;
  // Every item's impressions, the earliest first, and the place of each impression among its item's: what had been seen
  // of the item before.
  std::vector<std::int64_t> item_offsets;      // (items + 1)
  std::vector<std::int32_t> item_impressions;  // (impressions)
  std::vector<std::int32_t> place;             // (impressions)

  std::span<const std::int32_t> of_item(std::int32_t item) const {
    const auto begin = static_cast<std::size_t>(item_offsets[static_cast<std::size_t>(item)]);
    const auto end = static_cast<std::size_t>(item_offsets[static_cast<std::size_t>(item) + 1]);
    return {item_impressions.data() + begin, end - begin};
  }
  std::span<const std::int32_t> test() const { return slices[3]; }
  // What is learnt to enter a phase; nothing for cold.
  std::span<const std::int32_t> learnt(Phase phase) const {
    return phase == Phase::cold ? std::span<const std::int32_t>() : slices[static_cast<std::size_t>(phase) - 1];
  }
  // What a phase is measured on.
  std::span<const std::int32_t> measured(Phase phase, EvaluationOrder order_of_evaluation) const {
    return slices[order_of_evaluation == EvaluationOrder::fixed_test ? 3 : static_cast<std::size_t>(phase)];
  }
};

namespace detail {

// Fills offsets, lists and places from an order of all impressions.
inline void list_by_item(const Clicks& clicks, std::span<const std::int32_t> ordered, WarmUpSplit& split) {
  split.item_offsets.assign(static_cast<std::size_t>(clicks.item_count) + 1, 0);
  for (const std::int32_t item : clicks.items) ++split.item_offsets[static_cast<std::size_t>(item) + 1];
  for (std::size_t i = 1; i < split.item_offsets.size(); ++i) split.item_offsets[i] += split.item_offsets[i - 1];
  split.item_impressions.resize(ordered.size());
  split.place.resize(ordered.size());
  std::vector<std::int32_t> next(static_cast<std::size_t>(clicks.item_count), 0);
  for (const std::int32_t impression : ordered) {
    const auto item = static_cast<std::size_t>(clicks.items[static_cast<std::size_t>(impression)]);
    split.item_impressions[static_cast<std::size_t>(split.item_offsets[item] + next[item])] = impression;
    split.place[static_cast<std::size_t>(impression)] = next[item]++;
  }
}

}  // namespace detail

inline Result<WarmUpSplit> split_warm_up(const Clicks& clicks, const WarmUpOptions& options = {}) {
  const WarmUpSizes& sizes = options.sizes;
  require(sizes.slice > 0 && sizes.new_from >= 3 * std::int64_t{sizes.slice} && sizes.new_to >= sizes.new_from &&
              sizes.old_from > sizes.new_to,
          "split_warm_up: new items need three slices and old ones more than new ones, got slices of ", sizes.slice,
          ", new ", sizes.new_from, " to ", sizes.new_to, ", old from ", sizes.old_from);
  const Result<Done> checked = check_clicks(clicks);
  if (!checked) return checked.fault();
  const ClickOrder order = order_clicks(clicks, {options.seed, options.use_times});
  WarmUpSplit split;
  split.order = order.text;
  split.chronological = order.chronological;
  detail::list_by_item(clicks, order.impressions, split);
  std::int64_t most = 0;
  for (std::int32_t item = 0; item < clicks.item_count; ++item) {
    const auto count = static_cast<std::int64_t>(split.of_item(item).size());
    most = (std::max)(most, count);
    if (count >= sizes.old_from)
      split.old_items.push_back(item);
    else if (count >= sizes.new_from && count <= sizes.new_to)
      split.new_items.push_back(item);
    else
      ++(count == 0 ? split.items_unseen : split.items_left_out);
  }
  if (split.old_items.empty() || split.new_items.empty())
    return make_fault(FaultKind::mismatch, "clicks: ", split.old_items.size(), " items have ", sizes.old_from,
                      " impressions or more and ", split.new_items.size(), " have ", sizes.new_from, " to ",
                      sizes.new_to, ", but both are needed; the most of one item is ", most,
                      ", choose smaller or larger sizes");
  for (const std::int32_t impression : order.impressions) {
    const std::int32_t item = clicks.items[static_cast<std::size_t>(impression)];
    const auto count = static_cast<std::int64_t>(split.of_item(item).size());
    const auto slice = static_cast<std::size_t>(split.place[static_cast<std::size_t>(impression)] / sizes.slice);
    if (count >= sizes.old_from)
      split.base.push_back(impression);
    else if (count >= sizes.new_from && count <= sizes.new_to)
      split.slices[(std::min)(slice, std::size_t{3})].push_back(impression);
    else
      ++split.left_out;
  }
  return split;
}

}  // namespace thaw::inline v0
