// ClickCounts: how often the user clicks and how often the item is clicked, added as logits. What every click model has
// to beat.
//
//   thaw::ClickCounts counts(users, items);
//   counts.learn_users(base_users, base_labels);      // what is known of the users
//   counts.learn_items(slice_items, slice_labels);    // what has arrived for the new items so far
//   float p = counts.probability(user, item);
//
// rate = (clicks + c * prior) / (impressions + c); a user's prior is the rate of everything learnt about users, an
// item's that of everything learnt about items (without any: that of users). logit p = logit(user's rate) -
// logit(users' prior) + logit(item's rate): how much more than others the user clicks, times the item's odds. Nothing
// is fitted.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

class ClickCounts {
 public:
  struct Options {
    double user_pseudo = 10;  // impressions that a user's prior is worth
    double item_pseudo = 5;
  };

  ClickCounts(std::int32_t users, std::int32_t items, const Options& options)
      : options_(options), users_(static_cast<std::size_t>(users)), items_(static_cast<std::size_t>(items)) {
    require(options.user_pseudo > 0 && options.item_pseudo > 0, "ClickCounts: pseudo impressions must be positive");
  }
  ClickCounts(std::int32_t users, std::int32_t items) : ClickCounts(users, items, Options()) {}

  void learn_users(std::span<const std::int32_t> users, std::span<const float> labels) {
    learn(users, labels, users_, all_users_);
  }
  void learn_items(std::span<const std::int32_t> items, std::span<const float> labels) {
    learn(items, labels, items_, all_items_);
  }

  // Log-odds. An id below zero is somebody unknown, who has the prior.
  double user_logit(std::int32_t user) const { return logit_of(users_, user, user_prior(), options_.user_pseudo); }
  double item_logit(std::int32_t item) const { return logit_of(items_, item, item_prior(), options_.item_pseudo); }
  double logit(std::int32_t user, std::int32_t item) const {
    return user_logit(user) + item_logit(item) - logit_of_rate(user_prior());
  }
  float probability(std::int32_t user, std::int32_t item) const {
    return static_cast<float>(1.0 / (1.0 + std::exp(-logit(user, item))));
  }
  void score(std::span<const std::int32_t> users, std::span<const std::int32_t> items, std::span<float> out) const {
    require(users.size() == out.size() && items.size() == out.size(), "ClickCounts: ", users.size(), " users and ",
            items.size(), " items for ", out.size(), " scores");
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = probability(users[i], items[i]);
  }
  // Half a click is added to either side, so that a prior is never 0 or 1.
  double user_prior() const { return rate(all_users_); }
  double item_prior() const { return all_items_.impressions > 0 ? rate(all_items_) : user_prior(); }

 private:
  struct Count {
    double clicks = 0, impressions = 0;
  };

  static double rate(const Count& count) { return (count.clicks + 0.5) / (count.impressions + 1.0); }
  static double logit_of_rate(double rate) { return std::log(rate / (1.0 - rate)); }

  static double logit_of(const std::vector<Count>& counts, std::int32_t id, double prior, double pseudo) {
    if (id < 0) return logit_of_rate(prior);
    require(static_cast<std::size_t>(id) < counts.size(), "ClickCounts: id ", id, " of ", counts.size());
    const Count& count = counts[static_cast<std::size_t>(id)];
    return logit_of_rate((count.clicks + pseudo * prior) / (count.impressions + pseudo));
  }

  static void learn(std::span<const std::int32_t> ids, std::span<const float> labels, std::vector<Count>& counts,
                    Count& all) {
    require(ids.size() == labels.size(), "ClickCounts: ", labels.size(), " labels for ", ids.size(), " ids");
    for (std::size_t i = 0; i < ids.size(); ++i) {
      require(labels[i] == 0.0f || labels[i] == 1.0f, "ClickCounts: labels must be 0 or 1, found ",
              static_cast<double>(labels[i]));
      require(ids[i] < static_cast<std::int32_t>(counts.size()), "ClickCounts: id ", ids[i], " of ", counts.size());
      all.clicks += static_cast<double>(labels[i]);
      all.impressions += 1;
      if (ids[i] < 0) continue;
      counts[static_cast<std::size_t>(ids[i])].clicks += static_cast<double>(labels[i]);
      counts[static_cast<std::size_t>(ids[i])].impressions += 1;
    }
  }

  Options options_;
  std::vector<Count> users_, items_;
  Count all_users_, all_items_;
};

}  // namespace thaw::inline v0
