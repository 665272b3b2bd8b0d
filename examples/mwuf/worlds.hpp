// Worlds of known truth: made-up impressions in which it is planted what a warm-up can learn from.
//
//   const mwuf::World world({.kind = mwuf::WorldKind::features, .seed = 3});
//   thaw::Result<mwuf::Task> task = mwuf::make_task(world.source());
//   world.logit(user, item);                                 // what nobody can beat
//
// The odds of a click are a bias of the user plus the product of a user's and an item's taste vector.
//   features   an item's vector is the sum of a vector for each of its attribute values, plus noise; who sees it is
//   chance nothing    the same sizes and the same odds, but attributes say nothing about the vector user_sets
//   attributes say nothing; an item is shown to users who tend to like it, so that who came tells what it is
// In the first a generated or scaled start must help before the first impression, in the second nothing can, in the
// third only what reads the set of users, and only after the first slice. Not a copy of any real data.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mwuf/task.hpp"
#include "thaw/core/random.hpp"

namespace mwuf {

enum class WorldKind : std::uint8_t { features, nothing, user_sets };
inline const char* name_of(WorldKind kind) {
  return kind == WorldKind::features ? "features" : kind == WorldKind::nothing ? "nothing" : "user sets";
}

struct WorldOptions {
  WorldKind kind = WorldKind::features;
  std::int32_t users = 1000;
  std::int32_t old_items = 400;
  std::int32_t new_items = 200;
  std::int32_t slice = 20;       // K; a new item has three slices and as many impressions again to test
  std::int32_t old_least = 200;  // impressions of the least seen old item; the most seen has four times as many
  double taste = 1.5;            // deviation of the product of two taste vectors
  double user_bias = 0.5;        // deviation
  double offset = 0;             // added to every number of an item's vector, so that their mean is not zero
  double noise = 0.3;            // share of an item's vector that attributes do not tell, in world `features`
  double choice = 0.6;           // how much better liked what is shown is, in world `user_sets`
  std::uint64_t seed = 1;
};

class World {
 public:
  static constexpr std::size_t kWidth = 4;
  static constexpr std::int32_t kAttributes = 3, kValues = 8;
  using Taste = std::array<double, kWidth>;

  explicit World(const WorldOptions& options = {}) : options_(options) {
    thaw::require(options.users > 0 && options.old_items > 0 && options.new_items > 0 && options.slice > 0 &&
                      options.old_least > sizes().new_to && options.noise >= 0 && options.noise <= 1,
                  "World: needs users, items and slices, and old items with more impressions than new ones");
    thaw::Philox rng(key(kTastes));
    const double unit = std::sqrt(options.taste / std::sqrt(static_cast<double>(kWidth)));
    draw(users_, options.users, unit, rng);
    for (std::int32_t u = 0; u < options.users; ++u) bias_.push_back(options.user_bias * rng.normal());
    make_items(unit, rng);
  }

  std::int32_t items() const { return options_.old_items + options_.new_items; }
  thaw::WarmUpSizes sizes() const { return thaw::WarmUpSizes::of(6 * std::int64_t{options_.slice}, options_.slice); }

  // The log-odds of a click.
  double logit(std::int32_t user, std::int32_t item) const {
    const Taste &a = users_[static_cast<std::size_t>(user)], &b = items_[static_cast<std::size_t>(item)];
    double sum = bias_[static_cast<std::size_t>(user)];
    for (std::size_t k = 0; k < kWidth; ++k) sum += a[k] * b[k];
    return sum;
  }

  // What was planted, for checks that start from the truth.
  const Taste& taste_of_user(std::int32_t user) const { return users_[static_cast<std::size_t>(user)]; }
  double bias_of_user(std::int32_t user) const { return bias_[static_cast<std::size_t>(user)]; }
  const Taste& taste_of_item(std::int32_t item) const { return items_[static_cast<std::size_t>(item)]; }
  std::int32_t attribute_of(std::int32_t item, std::int32_t attribute) const {
    return values_[static_cast<std::size_t>(item * kAttributes + attribute)];
  }

  // Impressions in a random order, which is their time.
  TaskSource source() const {
    TaskSource source;
    source.sizes = sizes();
    source.log.name = std::string("planted world, ") + name_of(options_.kind);
    name_entities(source.log);
    thaw::Clicks& clicks = source.log.clicks;
    clicks.user_count = options_.users;
    clicks.item_count = items();
    std::vector<std::pair<std::int32_t, std::int32_t>> shown;  // user and item
    for (std::int32_t item = 0; item < items(); ++item) {
      thaw::Philox rng(key(kAudience).fold(static_cast<std::uint64_t>(item)));
      for (std::int32_t n = impressions_of(item); n > 0; --n) shown.emplace_back(viewer(item, rng), item);
    }
    thaw::Philox order(key(kOrder));
    order.shuffle(shown);
    thaw::Philox chance(key(kClicks));
    for (const auto& [user, item] : shown) {
      clicks.users.push_back(user);
      clicks.items.push_back(item);
      clicks.labels.push_back(chance.uniform() < 1 / (1 + std::exp(-logit(user, item))) ? 1.0f : 0.0f);
      clicks.times.push_back(static_cast<std::int64_t>(clicks.times.size()));
    }
    return source;
  }

 private:
  enum Stream : std::uint64_t { kTastes = 1, kAudience, kOrder, kClicks };

  thaw::Key key(Stream stream) const { return thaw::Key{options_.seed}.fold(0x776f726c64u).fold(stream); }

  static void draw(std::vector<Taste>& tastes, std::int32_t count, double deviation, thaw::Philox& rng) {
    tastes.resize(static_cast<std::size_t>(count));
    for (Taste& taste : tastes)
      for (double& value : taste) value = deviation * rng.normal();
  }

  // The variance of an item's vector is the same in every world.
  void make_items(double unit, thaw::Philox& rng) {
    std::vector<Taste> own, of_value;
    draw(own, items(), unit, rng);
    draw(of_value, kAttributes * kValues, unit / std::sqrt(static_cast<double>(kAttributes)), rng);
    values_.resize(static_cast<std::size_t>(items() * kAttributes));
    for (std::int32_t& value : values_) value = static_cast<std::int32_t>(rng.below(kValues));
    const bool tell = options_.kind == WorldKind::features;
    const double told = tell ? std::sqrt(1 - options_.noise) : 0, rest = tell ? std::sqrt(options_.noise) : 1;
    items_.resize(own.size());
    for (std::size_t i = 0; i < own.size(); ++i)
      for (std::size_t k = 0; k < kWidth; ++k) {
        double sum = 0;
        for (std::size_t a = 0; a < kAttributes; ++a)
          sum += of_value[a * kValues + static_cast<std::size_t>(values_[i * kAttributes + a])][k];
        items_[i][k] = told * sum + rest * own[i][k] + options_.offset;
      }
  }

  // Old items first. Their numbers fall like one over the square root of their rank, from four times the least.
  std::int32_t impressions_of(std::int32_t item) const {
    if (item >= options_.old_items) return 6 * options_.slice;
    const double rank = static_cast<double>(item) / static_cast<double>(options_.old_items);  // 0 .. 1
    return static_cast<std::int32_t>(options_.old_least / std::sqrt(rank * 15.0 / 16.0 + 1.0 / 16.0));
  }

  // Chance, or who likes it more: the choice among candidates follows exp(choice * taste for the item).
  std::int32_t viewer(std::int32_t item, thaw::Philox& rng) const {
    const auto anybody = [&] {
      return static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(options_.users)));
    };
    if (options_.kind != WorldKind::user_sets) return anybody();
    constexpr int kCandidates = 8;
    std::int32_t best = 0;
    double most = -1e300;
    for (int c = 0; c < kCandidates; ++c) {
      const std::int32_t user = anybody();
      // The largest of (value + Gumbel noise) is a draw in proportion to exp(value).
      const double value = options_.choice * (logit(user, item) - bias_[static_cast<std::size_t>(user)]) -
                           std::log(-std::log((std::max)(rng.uniform(), 1e-300)));
      if (value > most) best = user, most = value;
    }
    return best;
  }

  void name_entities(thaw::ClickLog& log) const {
    for (std::int32_t u = 0; u < options_.users; ++u) log.users.ids.add("u" + std::to_string(u));
    for (std::int32_t i = 0; i < items(); ++i)
      log.items.ids.add((i < options_.old_items ? "old" : "new") + std::to_string(i));
    for (std::int32_t a = 0; a < kAttributes; ++a) {
      thaw::Attribute& attribute = log.items.attributes.emplace_back();
      attribute.name = "attribute " + std::to_string(a + 1);
      for (std::int32_t v = 0; v < kValues; ++v) attribute.values.add("value " + std::to_string(v + 1));
      for (std::int32_t i = 0; i < items(); ++i)
        attribute.append(std::span(&values_[static_cast<std::size_t>(i * kAttributes + a)], 1));
    }
  }

  WorldOptions options_;
  std::vector<Taste> users_, items_;
  std::vector<double> bias_;
  std::vector<std::int32_t> values_;  // (items, attributes)
};

}  // namespace mwuf
