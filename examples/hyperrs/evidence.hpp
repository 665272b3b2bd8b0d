// Evidence: what simple methods say about every item, given a user's support; the features that a learner starts from.
//
//   hyperrs::Evidence evidence(world, {});
//   evidence.fill(user, support_items, out);          // out (evidence.count(), items)
//
// The logarithms of what EASE, item neighbours and random walks say (at two regularisations and alphas, and with the
// last records of the support counting most) and of popularity, and for each attribute how much an item's values
// overlap with the support's and how popular items with its values are. Logarithms because a softmax
// over weighted logarithms multiplies; the numbers themselves let a few items of one method outweigh all others. A
// training user is scored as if she had never been in the data (exactly: ease_without_user.hpp, shared_users.hpp), as a
// new user is; otherwise the methods would have seen her answers. Not a recommender: a learner weighs these.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "hyperrs/ease_without_user.hpp"
#include "hyperrs/learner.hpp"
#include "hyperrs/shared_users.hpp"
#include "thaw/graph/attribute_profiles.hpp"

namespace hyperrs {

struct EvidenceOptions {
  double regularization = 100;  // of EASE
  double strong = 1000;         // of the other EASE
  double half_life = 3;         // records after which one counts half, where the last ones count most
  double shrinkage = 5;         // of item neighbours
  double floor = 0.5;           // of a method's score, times its mean, before the logarithm
  double alphas[SharedUsers::kWalks] = {0.6, 1};
  int attributes = 4;               // at most; the first ones
  std::int32_t most_rows = 12'000;  // of the inverse of EASE; where users and items are both more, it goes without
  int threads = 1;
};

class Evidence {
 public:
  // Logarithms of scores, then popularity; then two rows for each attribute, which need no record of the item: overlap
  // and popularity of its values.
  static constexpr int kEase = 0, kStrongEase = 1, kRecentEase = 2, kNeighbours = 3, kRecentNeighbours = 4,
                       kSharpNeighbours = 5, kWalks = 6, kPopularity = kWalks + SharedUsers::kWalks,
                       kAttributes = kPopularity + 1;

  Evidence(const World& world, const EvidenceOptions& options) : options_(options), items_(world.train.item_count()) {
    auto x = thaw::Interactions::from_graph(world.train);
    if (x) {
      x_ = std::move(x.value());
      ease_ = EaseWithoutUser::fit(x_, {options.regularization, options.most_rows, options.threads});
      strong_ = EaseWithoutUser::fit(x_, {options.strong, options.most_rows, options.threads});
      shared_.emplace(x_, options.alphas);
    }
    for (const thaw::Attribute& a : world.data->items.attributes)
      if (static_cast<int>(attributes_.size()) < options.attributes) attributes_.push_back(&a);
    read_attributes();
    for (std::int32_t i = 0; i < items_; ++i)
      if (!world.train.by_item.row(i).empty()) known_.push_back(i);
  }

  // For whoever has changed the values of items since.
  void read_attributes() {
    profiles_.clear(), values_.clear();
    for (const thaw::Attribute* a : attributes_) {
      const thaw::AttributeView view{a->offsets, a->ids, a->cardinality()};
      profiles_.emplace_back(std::span<const thaw::AttributeView>(&view, 1), thaw::ValueWeight::rarity);
      count_values(*a);
    }
  }

  int count() const { return kAttributes + of_attributes(); }
  // How many of the rows, the last ones, come from attributes.
  int of_attributes() const { return 2 * static_cast<int>(profiles_.size()); }
  std::int32_t items() const { return items_; }
  const thaw::Interactions& interactions() const { return x_; }
  // Items with training records, ascending.
  std::span<const std::int32_t> known() const { return known_; }
  // Does anyone but the user have a training record of the item?
  bool known_without(std::int32_t user, std::int32_t item) const {
    if (item < 0 || item >= x_.item_count()) return false;
    const auto row = x_.by_item.row(item);
    return row.size() > 1 || (row.size() == 1 && row[0] != user);
  }

  // Items of a training user that nobody else has.
  std::vector<std::int32_t> only(std::int32_t user) const {
    std::vector<std::int32_t> items;
    if (user < 0 || user >= x_.user_count()) return items;
    for (const std::int32_t i : x_.by_user.row(user))
      if (x_.by_item.row(i).size() == 1) items.push_back(i);
    return items;
  }

  // out (count(), items). The support is from the first record to the last. Items that do not exist are left out of it,
  // and one that comes again counts where it came last.
  void fill(std::int32_t user, std::span<const std::int32_t> support, std::span<float> out) const {
    std::fill(out.begin(), out.end(), 0.0F);
    if (!shared_) return;
    const bool in_training = user >= 0 && user < x_.user_count() && x_.by_user.row(user).size() >= 2;
    const std::int32_t without = in_training ? user : -1;
    std::vector<float> weights;
    const std::vector<std::int32_t> history = usable(support, weights);
    const auto n = static_cast<std::size_t>(items_);
    const auto part = [&](int row) { return out.subspan(static_cast<std::size_t>(row) * n, n); };
    std::vector<std::uint8_t> own(n, 0);
    if (in_training)
      for (const std::int32_t i : x_.by_user.row(user)) own[static_cast<std::size_t>(i)] = 1;
    if (ease_) ease_->score(without, history, part(kEase)), ease_->score(without, history, part(kRecentEase), weights);
    if (strong_) strong_->score(without, history, part(kStrongEase));
    shared_->score(
        without, own, {history, weights}, options_.shrinkage,
        {part(kNeighbours), part(kRecentNeighbours), part(kSharpNeighbours), {part(kWalks), part(kWalks + 1)}});
    for (int row = 0; row < kPopularity; ++row) logarithm(part(row));
    const auto popularity = part(kPopularity);
    for (const std::int32_t i : known_)
      popularity[static_cast<std::size_t>(i)] =
          std::log1p(static_cast<float>(shared_->users(i, own[static_cast<std::size_t>(i)] != 0)));
    for (std::size_t a = 0; a < profiles_.size(); ++a) {
      const int row = kAttributes + 2 * static_cast<int>(a);
      fill_overlap(a, history, part(row));
      fill_value_popularity(a, in_training ? x_.by_user.row(user) : std::span<const std::int32_t>{}, part(row + 1));
    }
  }

 private:
  // In the order of the support; an item that comes again, at its last place. weights: 1 of the last, of those before
  // half as much every half life.
  std::vector<std::int32_t> usable(std::span<const std::int32_t> support, std::vector<float>& weights) const {
    std::vector<std::int32_t> history;
    for (std::size_t k = support.size(); k-- > 0;) {
      const std::int32_t item = support[k];
      if (item < 0 || item >= items_ || std::find(history.begin(), history.end(), item) != history.end()) continue;
      weights.push_back(static_cast<float>(std::exp2(-static_cast<double>(history.size()) / options_.half_life)));
      history.push_back(item);
    }
    std::reverse(history.begin(), history.end());
    std::reverse(weights.begin(), weights.end());
    return history;
  }
  // Records of the holders of each value, and how many holders have any.
  void count_values(const thaw::Attribute& attribute) {
    ValueCounts& counts = values_.emplace_back();
    counts.records.assign(static_cast<std::size_t>(attribute.cardinality()), 0);
    counts.holders = counts.records;
    for (std::int32_t i = 0; i < items_; ++i) {
      const auto records = static_cast<float>(i < x_.item_count() ? x_.by_item.row(i).size() : 0);
      for (const std::int32_t v : attribute.of(i)) {
        counts.records[static_cast<std::size_t>(v)] += records;
        counts.holders[static_cast<std::size_t>(v)] += records > 0 ? 1.0F : 0.0F;
      }
    }
  }
  // log(1 + 4 x the summed cosines with the support's other items).
  void fill_overlap(std::size_t a, std::span<const std::int32_t> history, std::span<float> out) const {
    for (const std::int32_t i : history) profiles_[a].add_similarities(i, out);
    for (const std::int32_t i : history)
      if (!attributes_[a]->of(i).empty()) out[static_cast<std::size_t>(i)] -= 1;
    for (float& v : out)
      if (v != 0) v = std::log1p(4 * (std::max)(0.0F, v));
  }
  // log(1 + the mean over an item's values of the records per known item among the others that hold the value). An
  // item's own records do not count, as if it were new; nor do those of the user, of whom `own` lists the items.
  void fill_value_popularity(std::size_t a, std::span<const std::int32_t> own, std::span<float> out) const {
    const thaw::Attribute& attribute = *attributes_[a];
    ValueCounts counts = values_[a];
    const auto records_of = [&](std::int32_t i) { return static_cast<float>(x_.by_item.row(i).size()); };
    for (const std::int32_t i : own)
      for (const std::int32_t v : attribute.of(i)) {
        counts.records[static_cast<std::size_t>(v)] -= 1;
        if (records_of(i) == 1) counts.holders[static_cast<std::size_t>(v)] -= 1;
      }
    std::vector<float> taken(static_cast<std::size_t>(items_), 0.0F);
    for (const std::int32_t i : own) taken[static_cast<std::size_t>(i)] = 1;
    for (std::int32_t i = 0; i < items_; ++i) {
      const auto of = attribute.of(i);
      const float records = records_of(i) - taken[static_cast<std::size_t>(i)];
      float sum = 0;
      for (const std::int32_t v : of) {
        const float holders = counts.holders[static_cast<std::size_t>(v)] - (records > 0 ? 1.0F : 0.0F);
        if (holders > 0) sum += (counts.records[static_cast<std::size_t>(v)] - records) / holders;
      }
      if (sum > 0) out[static_cast<std::size_t>(i)] = std::log1p(sum / static_cast<float>(of.size()));
    }
  }
  // log(x / mean + floor), from 0 on: a walk's mass falls over orders of magnitude.
  void logarithm(std::span<float> x) const {
    double sum = 0;
    for (const std::int32_t i : known_) sum += static_cast<double>((std::max)(0.0F, x[static_cast<std::size_t>(i)]));
    const float mean = known_.empty() ? 0.0F : static_cast<float>(sum / static_cast<double>(known_.size()));
    const auto floor = static_cast<float>(options_.floor);
    for (float& v : x) v = mean > 0 && v > 0 ? std::log1p(v / (mean * floor)) : 0.0F;
  }

  EvidenceOptions options_;
  std::int32_t items_;
  thaw::Interactions x_;
  std::optional<EaseWithoutUser> ease_, strong_;
  std::optional<SharedUsers> shared_;
  struct ValueCounts {
    std::vector<float> records, holders;  // (values)
  };
  std::vector<thaw::AttributeProfiles> profiles_;
  std::vector<const thaw::Attribute*> attributes_;
  std::vector<ValueCounts> values_;
  std::vector<std::int32_t> known_;
};

}  // namespace hyperrs
