// HistorySplit: who is learnt from, who is tested as new, and which items nobody may learn from.
//
//   thaw::HistorySplit split = thaw::split_histories(histories, data.items.size(), {.seed = 1});
//   thaw::EpisodeSampler sampler(data, histories, split, {.support = 10});
//   thaw::Episode episode;
//   sampler.draw(epoch, user, episode);                                            // a training user
//   auto tests = sampler.held_out(thaw::UserGroup::test, thaw::ItemSet::known);    // new users, items known
//
// Items are held out first (30 %), then users are drawn (60 / 20 / 20). Training sees the records of training users on
// the other items and nothing else. A held-out episode's support is the user's first records in the item set asked
// for, its query the records that follow, so that support and query are both known or both cold. Negatives are items
// of the same set that the user has no record of anywhere in the data. Not the split of a rating graph's cells: that is
// cold_start_split.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/data/dataset.hpp"
#include "thaw/data/episode.hpp"
#include "thaw/data/histories.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

enum class UserGroup : std::uint8_t { none, training, validation, test };  // none: no record at all

enum class ItemSet : std::uint8_t {
  known,  // a training user has a record of it
  cold    // held out: no training record is of it
};

struct HistorySplitOptions {
  double training = 0.6;
  double validation = 0.2;  // the rest is tested
  double cold_items = 0.3;  // of the items that have a record; 0: hold nothing out
  std::uint64_t seed = 1;
};

struct HistorySplit {
  std::vector<UserGroup> group_of;                                         // (users)
  std::vector<std::uint8_t> is_cold;                                       // (items) held out
  std::vector<std::int32_t> training_users, validation_users, test_users;  // ascending
  std::vector<std::int32_t> known_items, cold_items;                       // ascending; what a scenario ranks
  std::vector<Rating> train;                                               // records of training users on known items

  std::span<const std::int32_t> users(UserGroup group) const {
    return group == UserGroup::training     ? training_users
           : group == UserGroup::validation ? validation_users
                                            : test_users;
  }
  std::span<const std::int32_t> items(ItemSet set) const { return set == ItemSet::known ? known_items : cold_items; }
};

namespace detail {

enum class HistoryStream : std::uint64_t { cold_items = 1, users, training, held_out };

inline Key history_key(std::uint64_t seed, HistoryStream stream) {
  return Key{seed}.fold(0x73706c6974u).fold(static_cast<std::uint64_t>(stream));
}

inline std::size_t share_of(double share, std::size_t count) {
  return (std::min)(count, static_cast<std::size_t>(share * static_cast<double>(count) + 0.5));
}

}  // namespace detail

// The same histories, options and seed give the same split. Shares outside 0..1 are programmer errors.
inline HistorySplit split_histories(const Histories& histories, std::int32_t item_count,
                                    const HistorySplitOptions& options = {}) {
  require(options.training >= 0 && options.validation >= 0 && options.training + options.validation <= 1 &&
              options.cold_items >= 0 && options.cold_items < 1,
          "split_histories: shares of users must be between 0 and 1 together, that of cold items at least 0, below 1");
  HistorySplit split;
  split.group_of.assign(static_cast<std::size_t>(histories.users()), UserGroup::none);
  split.is_cold.assign(static_cast<std::size_t>(item_count), 0);
  std::vector<std::uint8_t> has_record(split.is_cold.size(), 0);
  for (const std::int32_t item : histories.items) has_record[static_cast<std::size_t>(item)] = 1;
  std::vector<std::int32_t> items, users;
  for (std::int32_t i = 0; i < item_count; ++i)
    if (has_record[static_cast<std::size_t>(i)] != 0) items.push_back(i);
  Philox(detail::history_key(options.seed, detail::HistoryStream::cold_items)).shuffle(items);
  items.resize(detail::share_of(options.cold_items, items.size()));
  for (const std::int32_t item : items) split.is_cold[static_cast<std::size_t>(item)] = 1;
  std::sort(items.begin(), items.end());
  split.cold_items = std::move(items);

  for (std::int32_t u = 0; u < histories.users(); ++u)
    if (!histories.of(u).items.empty()) users.push_back(u);
  Philox(detail::history_key(options.seed, detail::HistoryStream::users)).shuffle(users);
  const std::size_t training = detail::share_of(options.training, users.size());
  const std::size_t validation = detail::share_of(options.validation, users.size());
  for (std::size_t i = 0; i < users.size(); ++i)
    split.group_of[static_cast<std::size_t>(users[i])] = i < training                ? UserGroup::training
                                                         : i < training + validation ? UserGroup::validation
                                                                                     : UserGroup::test;
  std::vector<std::uint8_t> is_known(split.is_cold.size(), 0);
  for (std::int32_t u = 0; u < histories.users(); ++u) {
    const UserGroup group = split.group_of[static_cast<std::size_t>(u)];
    if (group == UserGroup::validation) split.validation_users.push_back(u);
    if (group == UserGroup::test) split.test_users.push_back(u);
    if (group != UserGroup::training) continue;
    split.training_users.push_back(u);
    const Histories::View history = histories.of(u);
    for (std::size_t i = 0; i < history.items.size(); ++i) {
      const auto item = static_cast<std::size_t>(history.items[i]);
      if (split.is_cold[item] != 0) continue;
      is_known[item] = 1;
      split.train.push_back({u, history.items[i], history.ratings[i]});
    }
  }
  for (std::int32_t i = 0; i < item_count; ++i)
    if (is_known[static_cast<std::size_t>(i)] != 0) split.known_items.push_back(i);
  return split;
}

struct EpisodeOptions {
  std::int32_t support = 10;      // records to adapt to
  std::int32_t query = 10;        // records to predict, fewer where a user has no more
  std::int32_t fewest_query = 1;  // a held-out user with fewer query records is left out
  double negatives = 1;           // for each record of a part
  bool contiguous = false;        // training records in a row, instead of any in order
  double from_start = 0;          // share of these that begin at the user's first record in time, as new users do
  std::uint64_t seed = 1;
};

// Draws episodes. Const and without state: an episode depends on the options and on (epoch, user) alone, so any number
// of threads may draw at once and get the same. It keeps references to the data, the histories and the split.
class EpisodeSampler {
 public:
  EpisodeSampler(const Dataset& data, const Histories& histories, const HistorySplit& split,
                 const EpisodeOptions& options = {})
      : split_(split),
        options_(options),
        chronological_(histories.chronological),
        records_(Csr::from_ratings(data.ratings, data.users.size(), Csr::Side::user)),
        known_(restricted(histories, split, ItemSet::known)),
        cold_(restricted(histories, split, ItemSet::cold)) {
    require(options.support > 0 && options.query > 0 && options.fewest_query > 0 && options.negatives >= 0 &&
                options.from_start >= 0 && options.from_start <= 1,
            "EpisodeSampler: support, query and fewest_query must be positive, negatives not negative, from_start a "
            "share");
    require(histories.users() == data.users.size(), "EpisodeSampler: histories of ", histories.users(),
            " users for a data set of ", data.users.size());
    for (const std::int32_t user : split.training_users)
      if (known_.of(user).items.size() >= 2) drawable_.push_back(user);
  }

  // Training users with at least two records on known items: one to adapt to and one to predict.
  std::span<const std::int32_t> training_users() const { return drawable_; }
  // A user's records in an item set, in order.
  Histories::View history(std::int32_t user, ItemSet set) const {
    return (set == ItemSet::known ? known_ : cold_).of(user);
  }
  // All records of the data, of any group: what negatives must avoid and an evaluation may want to leave out.
  const Csr& records() const { return records_; }

  // Fills an episode of a training user; its vectors are reused. False, and an empty episode, for a user who is not in
  // training_users(). A user with fewer records than asked for has both parts cut in proportion.
  bool draw(std::uint64_t epoch, std::int32_t user, Episode& episode) const {
    episode.user = user;
    for (Episode::Part* part : {&episode.support, &episode.query}) clear(*part);
    if (split_.group_of[static_cast<std::size_t>(user)] != UserGroup::training) return false;
    const Histories::View history = known_.of(user);
    if (history.items.size() < 2) return false;
    const std::size_t wanted = static_cast<std::size_t>(options_.support) + static_cast<std::size_t>(options_.query);
    const std::size_t total = (std::min)(wanted, history.items.size());
    const std::size_t query = (std::max)(std::size_t{1}, total * static_cast<std::size_t>(options_.query) / wanted);
    Philox rng(detail::history_key(options_.seed, detail::HistoryStream::training)
                   .fold(epoch)
                   .fold(static_cast<std::uint64_t>(user)));
    pick(history, total, rng, episode.support);
    if (!chronological_) shuffle(episode.support, rng);
    const auto cut = static_cast<std::ptrdiff_t>(total - query);
    episode.query.items.assign(episode.support.items.begin() + cut, episode.support.items.end());
    episode.query.labels.assign(episode.support.labels.begin() + cut, episode.support.labels.end());
    episode.support.items.resize(total - query);
    episode.support.labels.resize(total - query);
    add_negatives(episode, split_.known_items, rng);
    return true;
  }

  // One episode for each user of a group who has enough records in an item set, in the order of user numbers. A fault
  // when nobody has.
  Result<std::vector<Episode>> held_out(UserGroup group, ItemSet set) const {
    require(group == UserGroup::validation || group == UserGroup::test,
            "EpisodeSampler::held_out: the group must be validation or test");
    const auto support = static_cast<std::size_t>(options_.support);
    const std::size_t fewest = support + static_cast<std::size_t>(options_.fewest_query);
    const Key key =
        detail::history_key(options_.seed, detail::HistoryStream::held_out).fold(static_cast<std::uint64_t>(set));
    std::vector<Episode> episodes;
    for (const std::int32_t user : split_.users(group)) {
      const Histories::View records = history(user, set);
      if (records.items.size() < fewest) continue;
      const std::size_t end = (std::min)(records.items.size(), support + static_cast<std::size_t>(options_.query));
      Episode& episode = episodes.emplace_back();
      episode.user = user;
      copy(records, 0, support, episode.support);
      copy(records, support, end, episode.query);
      Philox rng(key.fold(static_cast<std::uint64_t>(user)));
      add_negatives(episode, split_.items(set), rng);
    }
    if (episodes.empty())
      return make_fault(FaultKind::mismatch, "nobody to test: none of ", split_.users(group).size(),
                        group == UserGroup::test ? " test" : " validation", " users has ", fewest, " records on ",
                        set == ItemSet::known ? "items known from training" : "held-out items",
                        "; ask for a smaller support or give more data");
    return episodes;
  }

 private:
  static Histories restricted(const Histories& all, const HistorySplit& split, ItemSet set) {
    std::vector<std::uint8_t> kept(split.is_cold.size(), 0);
    for (const std::int32_t item : split.items(set)) kept[static_cast<std::size_t>(item)] = 1;
    Histories part;
    part.chronological = all.chronological;
    for (std::int32_t u = 0; u < all.users(); ++u) {
      const Histories::View history = all.of(u);
      for (std::size_t i = 0; i < history.items.size(); ++i) {
        if (kept[static_cast<std::size_t>(history.items[i])] == 0) continue;
        part.items.push_back(history.items[i]);
        part.ratings.push_back(history.ratings[i]);
      }
      part.offsets.push_back(static_cast<std::int64_t>(part.items.size()));
    }
    return part;
  }

  static void clear(Episode::Part& part) {
    part.items.clear();
    part.labels.clear();
    part.negatives.clear();
  }
  static void copy(const Histories::View& from, std::size_t begin, std::size_t end, Episode::Part& part) {
    for (std::size_t i = begin; i < end; ++i) {
      part.items.push_back(from.items[i]);
      part.labels.push_back(from.ratings[i]);
    }
  }

  // `total` records of a history, in its order. Knuth's selection sampling: no list of what is left.
  void pick(const Histories::View& from, std::size_t total, Philox& rng, Episode::Part& part) const {
    const std::size_t count = from.items.size();
    if (options_.contiguous) {
      const bool first = chronological_ && options_.from_start > 0 && rng.uniform() < options_.from_start;
      const std::size_t begin = first ? 0 : rng.below(static_cast<std::uint32_t>(count - total + 1));
      copy(from, begin, begin + total, part);
      return;
    }
    std::size_t needed = total;
    for (std::size_t i = 0; needed > 0; ++i) {
      if (count - i > needed && rng.below(static_cast<std::uint32_t>(count - i)) >= needed) continue;
      copy(from, i, i + 1, part);
      --needed;
    }
  }

  static void shuffle(Episode::Part& part, Philox& rng) {
    for (std::size_t left = part.items.size(); left > 1; --left) {
      const std::size_t other = rng.below(static_cast<std::uint32_t>(left));
      std::swap(part.items[left - 1], part.items[other]);
      std::swap(part.labels[left - 1], part.labels[other]);
    }
  }

  // Uniform, each item at most once in the whole episode; fewer where the set runs out.
  void add_negatives(Episode& episode, std::span<const std::int32_t> pool, Philox& rng) const {
    const auto count_for = [this](const Episode::Part& part) {
      return static_cast<std::size_t>(options_.negatives * static_cast<double>(part.items.size()) + 0.5);
    };
    const std::size_t for_support = count_for(episode.support);
    const std::size_t wanted = for_support + count_for(episode.query);
    const auto records = records_.row(episode.user);
    // The pool without the user's records could be smaller than what is wanted, or so small that trying at random
    // takes long: then it is listed.
    std::vector<std::int32_t>& drawn = episode.support.negatives;
    if (pool.size() < records.size() + 2 * wanted) {
      for (const std::int32_t item : pool)
        if (records_.find(episode.user, item) == nullptr) drawn.push_back(item);
      rng.shuffle(drawn);
      drawn.resize((std::min)(drawn.size(), wanted));
    }
    while (drawn.size() < wanted && pool.size() >= records.size() + 2 * wanted) {
      const std::int32_t item = pool[rng.below(static_cast<std::uint32_t>(pool.size()))];
      if (records_.find(episode.user, item) != nullptr) continue;
      if (std::find(drawn.begin(), drawn.end(), item) == drawn.end()) drawn.push_back(item);
    }
    const std::size_t kept = wanted == 0 ? 0 : drawn.size() * for_support / wanted;
    episode.query.negatives.assign(drawn.begin() + static_cast<std::ptrdiff_t>(kept), drawn.end());
    drawn.resize(kept);
  }

  const HistorySplit& split_;
  EpisodeOptions options_;
  bool chronological_;
  Csr records_;
  Histories known_, cold_;
  std::vector<std::int32_t> drawable_;
};

}  // namespace thaw::inline v0
