// Clicks: impressions of items to users, each with a yes or a no, in columns; and the order in which they happened.
//
//   thaw::Result<thaw::Clicks> clicks = thaw::clicks_from_ratings(data, {.like_from = 4});
//   const thaw::ClickOrder order = thaw::order_clicks(clicks.value(), {.seed = 1});
//   for (std::int32_t impression : order.impressions) use(clicks.value().items[impression]);
//
// The same user may see the same item many times. Users and items are dense ids; what they are called is kept by
// whoever made them (Dataset, ClickLog). Not a batch: click models gather columns of one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/histories.hpp"

namespace thaw::inline v0 {

struct Clicks {
  // A property of the impression itself: its place on the page, the device.
  struct Context {
    std::string name;
    Vocabulary values;
    std::vector<std::int32_t> ids;  // (impressions), Vocabulary::kUnknown where not given
  };

  std::int32_t user_count = 0;
  std::int32_t item_count = 0;
  std::vector<std::int32_t> users;  // (impressions)
  std::vector<std::int32_t> items;  // (impressions)
  std::vector<float> labels;        // (impressions), 0 or 1
  std::vector<std::int64_t> times;  // (impressions), in the file's unit; empty when not known
  std::vector<Context> context;

  std::int32_t size() const { return static_cast<std::int32_t>(items.size()); }
};

// Users, items and their impressions: what readers of click logs make.
struct ClickLog {
  std::string name;
  Entities users;
  Entities items;
  Clicks clicks;
};

struct LikeOptions {
  float like_from = 4;  // ratings from here on count 1, lower ones 0
};

// Every rating as an impression. A threshold that makes all labels equal is a fault: nothing could be learnt or
// measured.
inline Result<Clicks> clicks_from_ratings(const Dataset& data, const LikeOptions& options = {}) {
  const Result<Done> checked = detail::check_records(data);
  if (!checked) return checked.fault();
  require(options.like_from == options.like_from, "clicks_from_ratings: like_from is not a number");
  Clicks clicks;
  clicks.user_count = data.users.size();
  clicks.item_count = data.items.size();
  std::int64_t likes = 0;
  for (const Rating& rating : data.ratings) {
    clicks.users.push_back(rating.user);
    clicks.items.push_back(rating.item);
    clicks.labels.push_back(rating.value >= options.like_from ? 1.0f : 0.0f);
    likes += rating.value >= options.like_from ? 1 : 0;
  }
  clicks.times = data.times;
  if (!data.ratings.empty() && (likes == 0 || likes == clicks.size()))
    return make_fault(FaultKind::mismatch, detail::view_of(data.name), ": with likes from ",
                      static_cast<double>(options.like_from), " on, ", likes == 0 ? "no" : "every",
                      " rating is a like; choose a threshold inside the scale, which is ",
                      static_cast<double>(data.lowest), " to ", static_cast<double>(data.highest));
  return clicks;
}

// What a hand-made or streamed log may get wrong; readers never do.
inline Result<Done> check_clicks(const Clicks& clicks) {
  const std::size_t count = clicks.items.size();
  if (count > static_cast<std::size_t>((std::numeric_limits<std::int32_t>::max)()))
    return make_fault(FaultKind::out_of_range, "clicks: ", count, " impressions, at most 2147483647; split the log");
  const auto fits = [count](std::size_t size) { return size == count; };
  if (!fits(clicks.users.size()) || !fits(clicks.labels.size()) ||
      (!clicks.times.empty() && !fits(clicks.times.size())))
    return make_fault(FaultKind::mismatch, "clicks: expected users, labels and (if known) times for each of ", count,
                      " items, found ", clicks.users.size(), ", ", clicks.labels.size(), " and ", clicks.times.size());
  for (const Clicks::Context& context : clicks.context)
    if (!fits(context.ids.size()))
      return make_fault(FaultKind::mismatch, "clicks: the column ", detail::view_of(context.name), " has ",
                        context.ids.size(), " values for ", count, " impressions");
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t user = clicks.users[i], item = clicks.items[i];
    if (user < 0 || user >= clicks.user_count || item < 0 || item >= clicks.item_count)
      return make_fault(FaultKind::out_of_range, "clicks, impression ", i, ": user ", user, " and item ", item,
                        " are not among ", clicks.user_count, " users and ", clicks.item_count,
                        " items; ids are dense, from 0");
    if (clicks.labels[i] != 0.0f && clicks.labels[i] != 1.0f)
      return make_fault(FaultKind::out_of_range, "clicks, impression ", i, ": expected the label 0 or 1, found ",
                        static_cast<double>(clicks.labels[i]));
  }
  return Done{};
}

struct ClickOrder {
  std::vector<std::int32_t> impressions;  // all of them, the earliest first
  bool chronological = false;
  std::string text;            // the order in words, for a results table
  std::int64_t backwards = 0;  // impressions whose time is before that of the one before them in the log; sorted anyway
};

struct ClickOrderOptions {
  std::uint64_t seed = 1;
  bool use_times = true;  // false: random order even where the log has times
};

namespace detail {

// Named by user and item, so that an order does not depend on the order of the file.
inline std::uint64_t impression_key(Key key, std::int32_t user, std::int32_t item) {
  return key
      .fold((static_cast<std::uint64_t>(static_cast<std::uint32_t>(user)) << 32) | static_cast<std::uint32_t>(item))
      .bits;
}

}  // namespace detail

// By time, impressions of the same time in a seeded random order; without times all of them in such an order.
inline ClickOrder order_clicks(const Clicks& clicks, const ClickOrderOptions& options = {}) {
  struct Record {
    std::int64_t time;
    std::uint64_t tie;
    std::int32_t at;
  };
  ClickOrder order;
  order.chronological = options.use_times && !clicks.times.empty();
  const Key key = Key{options.seed}.fold(0x636c69636b73u);
  std::vector<Record> records;
  records.reserve(clicks.items.size());
  for (std::int32_t i = 0; i < clicks.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t time = order.chronological ? clicks.times[at] : 0;
    if (!records.empty() && time < records.back().time) ++order.backwards;
    records.push_back({time, detail::impression_key(key, clicks.users[at], clicks.items[at]), i});
  }
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    if (a.time != b.time) return a.time < b.time;
    return a.tie != b.tie ? a.tie < b.tie : a.at < b.at;
  });
  order.text = order.chronological ? "time order, ties at random" : "random order";
  order.text += " (seed " + std::to_string(options.seed) + ")";
  order.impressions.reserve(records.size());
  for (const Record& record : records) order.impressions.push_back(record.at);
  return order;
}

// Whether impressions stand in the order of their times, for learners that walk through time; the fault names the first
// one that goes backwards. Without times there is nothing to go against.
inline Result<Done> check_ascending(const Clicks& clicks, std::span<const std::int32_t> impressions) {
  if (clicks.times.empty()) return Done{};
  for (std::size_t i = 1; i < impressions.size(); ++i) {
    const std::int64_t before = clicks.times[static_cast<std::size_t>(impressions[i - 1])];
    const std::int64_t time = clicks.times[static_cast<std::size_t>(impressions[i])];
    if (time < before)
      return make_fault(FaultKind::malformed, "clicks: time goes backwards, impression ", impressions[i], " at ", time,
                        " follows one at ", before, "; put them in order with order_clicks()");
  }
  return Done{};
}

}  // namespace thaw::inline v0
