// Target: a data set to be measured on, with what a recommender may see of it and what it is asked.
//
//   zero_shot::Target target(split, {.users = 1000});
//   auto table = target.measure(recommender);                  // Recall@20 and NDCG@20 of the whole catalogue
//
// Everything but the test lists is visible. Candidates are all items that the user does not have; equal scores are
// ordered by a hash. With `shown` set, the asked users keep that many of their items, the rest becomes part of what is
// to be found: cold users. With `item_shown` set, a fifth of the items that have ten interactions or more are new: they
// keep that many, and only they are to be found: cold items, among the whole catalogue or, with `among_new`, among
// themselves.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

#include "thaw/eval/top_n.hpp"
#include "zero_shot/sources.hpp"

namespace zero_shot {

struct TargetOptions {
  std::int32_t users = 1000;  // asked, drawn evenly
  int shown = -1;             // items that asked users keep; -1: all that are not test items
  int item_shown = -1;        // interactions that new items keep; -1: no item is new
  bool among_new = false;     // candidates are the new items alone
  bool validation = false;    // ask for the validation items, from the training items alone
  std::uint64_t seed = 1;
};

class Target {
 public:
  Target(const thaw::SplitLists& split, const TargetOptions& options) : items_(split.items) {
    std::vector<std::int32_t> able;
    for (std::int32_t user = 0; user < split.users(); ++user)
      if (!split.train.row(user).empty() && !asked_of(split, user, options).empty()) able.push_back(user);
    thaw::Philox rng(options.seed, 0x746172676574);
    rng.shuffle(able);
    if (able.size() > static_cast<std::size_t>(options.users)) able.resize(static_cast<std::size_t>(options.users));
    if (options.item_shown >= 0) choose_new_items(split, options);
    std::vector<char> is_asked(static_cast<std::size_t>(split.users()), 0);
    for (const std::int32_t user : able) is_asked[static_cast<std::size_t>(user)] = 1;
    std::vector<thaw::Rating> visible;
    for (std::int32_t user = 0; user < split.users(); ++user) {
      std::vector<std::int32_t> known, relevant;
      const auto add = [](std::vector<std::int32_t>& to, std::span<const std::int32_t> from) {
        to.insert(to.end(), from.begin(), from.end());
      };
      add(known, split.train.row(user));
      if (!options.validation) add(known, split.valid.row(user));
      const bool asked = is_asked[static_cast<std::size_t>(user)] != 0;
      if (asked) add(relevant, asked_of(split, user, options));
      if (asked && options.shown >= 0) {
        thaw::Philox own(options.seed, 0x636f6c64u + static_cast<std::uint64_t>(user));
        own.shuffle(known);
        const std::size_t keep = (std::min)(known.size(), static_cast<std::size_t>(options.shown));
        add(relevant, std::span<const std::int32_t>(known).subspan(keep));
        known.resize(keep);
      }
      if (!is_new_.empty()) hide_new_items(user, known, relevant);
      for (const std::int32_t item : known) visible.push_back({user, item, 1.0f});
      if (asked) known_.push_back(std::move(known)), relevant_.push_back(std::move(relevant)), users_.push_back(user);
    }
    graph_ = thaw::RatingGraph::from_ratings(visible, split.users(), items_);
    candidates_ = thaw::all_items(items_);
    if (options.among_new) std::erase_if(candidates_, [&](std::int32_t item) { return !is_new(item); });
  }

  const thaw::RatingGraph& graph() const { return graph_; }
  std::size_t users() const { return users_.size(); }
  std::int32_t items() const { return items_; }
  // (items), 1 for a new one; empty where none is.
  const std::vector<char>& new_items() const { return is_new_; }

  template <class Scorer>
  thaw::Result<thaw::MetricTable> measure(Scorer&& scorer) const {
    return measure(scorer, 0, users());
  }
  // The users [begin, end) of those asked.
  template <class Scorer>
  thaw::Result<thaw::MetricTable> measure(Scorer&& scorer, std::size_t begin, std::size_t end) const {
    std::vector<thaw::TopNQuery> queries;
    for (std::size_t i = begin; i < (std::min)(end, users()); ++i)
      queries.push_back({users_[i], known_[i], relevant_[i]});
    return thaw::evaluate_top_n(queries, candidates_, scorer, {.depths = {20}, .ties = thaw::Ties::hashed});
  }

 private:
  static std::span<const std::int32_t> asked_of(const thaw::SplitLists& split, std::int32_t user,
                                                const TargetOptions& options) {
    return options.validation ? split.valid.row(user) : split.test.row(user);
  }

  bool is_new(std::int32_t item) const { return !is_new_.empty() && is_new_[static_cast<std::size_t>(item)] != 0; }
  static std::uint64_t pair(std::int32_t user, std::int32_t item) {
    return (static_cast<std::uint64_t>(user) << 32) | static_cast<std::uint32_t>(item);
  }
  void choose_new_items(const thaw::SplitLists& split, const TargetOptions& options) {
    std::vector<std::vector<std::int32_t>> users_of(static_cast<std::size_t>(items_));
    for (std::int32_t user = 0; user < split.users(); ++user)
      for (const thaw::IdLists* part : {&split.train, &split.valid})
        for (const std::int32_t item : part->row(user)) users_of[static_cast<std::size_t>(item)].push_back(user);
    thaw::Philox rng(options.seed, 0x6e6577);
    is_new_.assign(users_of.size(), 0);
    for (std::size_t item = 0; item < users_of.size(); ++item) {
      if (users_of[item].size() < 10 || rng.uniform() >= 0.2) continue;
      is_new_[item] = 1;
      rng.shuffle(users_of[item]);
      for (int k = 0; k < options.item_shown; ++k)
        kept_pairs_.insert(pair(users_of[item][static_cast<std::size_t>(k)], static_cast<std::int32_t>(item)));
    }
  }
  // What a user had of new items is to be found, unless it is one of the pairs that stay.
  void hide_new_items(std::int32_t user, std::vector<std::int32_t>& known, std::vector<std::int32_t>& relevant) const {
    const auto is_old = [&](std::int32_t item) { return is_new_[static_cast<std::size_t>(item)] == 0; };
    std::erase_if(relevant, is_old);
    std::erase_if(known, [&](std::int32_t item) {
      if (is_old(item) || kept_pairs_.count(pair(user, item)) != 0) return false;
      relevant.push_back(item);
      return true;
    });
  }

  std::int32_t items_;
  std::vector<char> is_new_;  // (items), empty where none is
  std::unordered_set<std::uint64_t> kept_pairs_;
  thaw::RatingGraph graph_;
  std::vector<std::int32_t> users_, candidates_;
  std::vector<std::vector<std::int32_t>> known_, relevant_;
};

// A split without validation lists gets them: a tenth of each user's training items, at least one of three.
inline void ensure_validation(thaw::SplitLists& split, std::uint64_t seed = 1) {
  if (!split.valid.ids.empty()) return;
  std::vector<std::vector<std::int32_t>> train, valid;
  for (std::int32_t user = 0; user < split.users(); ++user) {
    std::vector<std::int32_t> row(split.train.row(user).begin(), split.train.row(user).end());
    std::size_t away = row.size() < 3 ? 0 : (std::max)(std::size_t{1}, row.size() / 10);
    thaw::Philox(seed, static_cast<std::uint64_t>(user)).shuffle(row);
    valid.emplace_back(row.end() - static_cast<std::ptrdiff_t>(away), row.end());
    row.resize(row.size() - away);
    train.push_back(std::move(row));
  }
  const auto users = static_cast<std::size_t>(split.users());
  split.train = thaw::detail::id_lists(train, users);
  split.valid = thaw::detail::id_lists(valid, users);
}

}  // namespace zero_shot
