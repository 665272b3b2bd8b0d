// A world of clicks for the tests of warming up: 30 old items of 40 impressions, 8 new ones of 12, slices of 3; likes
// follow a bias of the user, one of the genre, and one of the item.
#pragma once

#include <doctest/doctest.h>

#include <cmath>

#include "mwuf/methods.hpp"
#include "tests/examples/mwuf_bases.hpp"

namespace mwuf_test {

struct WorldOptions {
  bool flip_new = false;     // the other label for every impression of a new item
  bool other_users = false;  // other users for them
  bool flip_last = false;    // the other label from the given slice on
  int last_from = 3;
  std::uint64_t seed = 5;
};

inline constexpr int kOldItems = 30, kNewItems = 8, kUsers = 25;

inline thaw::Entities entities(const char* letter, int count, const char* attribute, int values, bool several) {
  thaw::Entities out;
  thaw::Attribute a;
  a.name = attribute;
  for (int v = 0; v < values; ++v) a.values.add("v" + std::to_string(v));
  for (int e = 0; e < count; ++e) {
    out.ids.add(letter + std::to_string(e));
    std::vector<std::int32_t> of{e % values};
    if (several && e % 2 == 0) of.push_back((e + 1) % values);
    a.append(of);
  }
  out.attributes.push_back(std::move(a));
  return out;
}

inline mwuf::Task click_task(const WorldOptions& options = {}) {
  mwuf::TaskSource source;
  source.log.name = "clicks";
  source.log.users = entities("u", kUsers, "age", 3, false);
  source.log.items = entities("i", kOldItems + kNewItems, "genre", 4, true);
  thaw::Clicks& clicks = source.log.clicks;
  clicks.user_count = kUsers;
  clicks.item_count = kOldItems + kNewItems;
  thaw::Philox rng(options.seed, 3);
  for (int item = 0; item < clicks.item_count; ++item) {
    const bool fresh = item >= kOldItems;
    for (int n = 0; n < (fresh ? 12 : 40); ++n) {
      const auto user = static_cast<std::int32_t>(rng.below(kUsers));
      const double z = 1.5 * std::sin(1.7 * user) + 1.2 * std::sin(2.1 * (item % 4)) + 1.5 * std::sin(0.9 * item);
      bool like = rng.uniform(0, 1) < 1 / (1 + std::exp(-z));
      if (fresh && (options.flip_new || (options.flip_last && n / 3 >= options.last_from))) like = !like;
      clicks.users.push_back(fresh && options.other_users ? (user + 7) % kUsers : user);
      clicks.items.push_back(item);
      clicks.labels.push_back(like ? 1.0F : 0.0F);
      clicks.times.push_back(n);
    }
  }
  source.sizes = {13, 9, 12, 3};
  mwuf::TaskOptions task_options;
  task_options.history = 2;
  auto made = mwuf::make_task(std::move(source), task_options);
  const char* fault = made ? "" : made.fault().text;
  INFO(fault);
  CHECK(static_cast<bool>(made));
  return std::move(made.value());
}

inline std::unique_ptr<mwuf::ClickBase> click_base(const mwuf::ClickWorld& world, const char* name = "wide_deep",
                                                   bool bias_terms = false, int epochs = 2) {
  mwuf::BaseOptions options;
  options.width = 4;
  options.hidden[0] = 8, options.hidden[1] = 0;
  options.deviation = 0.3;
  options.bias_terms = bias_terms;
  auto base = mwuf::make_base(name, world, options);
  CHECK(static_cast<bool>(base));
  mwuf::BaseTraining training;
  training.batch = 32;
  training.rate = 1e-2;
  training.epochs = epochs;
  mwuf::train_base(*base.value(), world, training);
  return std::move(base.value());
}

// The base that a method of the table asks for.
inline std::unique_ptr<mwuf::ClickBase> base_for(const mwuf::MethodEntry& entry, const mwuf::ClickWorld& world) {
  return entry.own_base != nullptr ? entry.own_base(world, 0) : click_base(world, "wide_deep", entry.bias_terms);
}

inline std::vector<float> scores_of(mwuf::WarmUp& method, const mwuf::Task& task, mwuf::Rows rows) {
  mwuf::Batches batches(task, static_cast<thaw::Index>(rows.size()));
  std::vector<float> logits(rows.size());
  method.score(batches.fill(rows), logits.data());
  return logits;
}

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = a.size() == b.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    most = (std::max)(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

}  // namespace mwuf_test
