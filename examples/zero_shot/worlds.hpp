// Worlds: training rows from a source data set, cross-fitted, so that no answer is an edge of the graph behind the
// features.
//
//   zero_shot::TrainingRows rows;
//   for (const zero_shot::WorldOptions& options : zero_shot::standard_worlds(seed))
//     auto done = zero_shot::add_world(visible, items, options, rows);
//
// A world hides a share of every user's items, fits the statistics to the rest and asks for what was hidden of some
// users. It can also thin the data first, so that one source is seen at many densities, and show only a few items of a
// part of the users, so that the network meets cold ones, and cut items down to a few interactions and mark them new,
// so that it learns what few interactions of a new item are worth. Negatives are drawn evenly among the candidates that
// the recommender would rank: negatives by popularity or by rank teach the network to turn against both. Nothing of a
// target is used. Source: cross-fitting is our own
// repair of the published recipe, which trains on edges that are in the graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "zero_shot/systems.hpp"

namespace zero_shot {

// Rows of features, those of one user together: first what she touched, then what she did not.
struct TrainingRows {
  struct User {
    std::size_t first = 0;  // row
    std::uint32_t positives = 0, negatives = 0;
  };
  std::vector<float> features;  // (rows, width)
  std::vector<User> users;
};

struct WorldOptions {
  double users_kept = 1, edges_kept = 1;  // thinning
  double items_kept = 1;                  // the most popular share of the items: a dense core
  std::size_t shortest_row = 1;           // users with fewer items are left out
  double hidden = 0.2;
  double cold = 0.3;      // share of supervised users who show at most a few items
  double new_items = 0;   // share of the items with ten interactions or more that show one to five, marked as new
  bool cross_fit = true;  // false: the hidden edges stay in the graph, the leak that must not be
  int supervised = 400;
  std::uint64_t seed = 1;
};

// Two folds of the whole source, three thinner ones, a dense core (the tenth of the items that is touched most, with
// the users who have eight of them or more), and one with new items.
inline std::vector<WorldOptions> standard_worlds(std::uint64_t seed, int supervised = 400) {
  std::vector<WorldOptions> worlds(7);
  worlds[2].edges_kept = 0.5;
  worlds[3].users_kept = 0.35;
  worlds[4].users_kept = 0.5, worlds[4].edges_kept = 0.3;
  worlds[5].items_kept = 0.1, worlds[5].shortest_row = 8;
  worlds[6].new_items = 0.2;
  for (std::size_t w = 0; w < worlds.size(); ++w) worlds[w].seed = 10 * seed + w, worlds[w].supervised = supervised;
  return worlds;
}

namespace detail {

template <class System>
class World {
 public:
  using Statistics = typename System::Statistics;

  World(const thaw::IdLists& lists, std::int32_t items, const WorldOptions& options,
        const typename System::Options& statistics)
      : o_(options), statistics_(statistics), items_(items), rng_(options.seed, 0x776f726c64), lists_(lists) {}

  thaw::Result<thaw::Done> add_to(TrainingRows& rows) {
    hide();
    if constexpr (requires { statistics_.is_new; }) statistics_.is_new = is_new_;
    const thaw::RatingGraph graph = thaw::RatingGraph::from_ratings(visible_, lists_.rows(), items_);
    thaw::Result<Statistics> statistics = Statistics::fit(graph, statistics_);
    if (!statistics) return statistics.fault();
    place_.assign(static_cast<std::size_t>(items_), -1);
    for (const std::int32_t user : supervised_) add_user(statistics.value(), user, rows);
    return thaw::Done{};
  }

 private:
  using Row = std::vector<std::int32_t>;

  // The degree from which an item is kept.
  std::size_t least_degree() {
    if (o_.items_kept >= 1) return 0;
    std::vector<std::size_t> degree(static_cast<std::size_t>(items_), 0);
    for (const std::int32_t item : lists_.ids) ++degree[static_cast<std::size_t>(item)];
    degree_ = degree;
    std::sort(degree.begin(), degree.end(), std::greater<std::size_t>());
    return (std::max)(std::size_t{1},
                      degree[static_cast<std::size_t>(o_.items_kept * static_cast<double>(items_ - 1))]);
  }
  void draw_rows() {
    const std::size_t least = least_degree();
    for (std::int32_t user = 0; user < lists_.rows(); ++user) {
      if (rng_.uniform() >= o_.users_kept) continue;
      Row& row = shown_[static_cast<std::size_t>(user)];
      for (const std::int32_t item : lists_.row(user))
        if (rng_.uniform() < o_.edges_kept && (least == 0 || degree_[static_cast<std::size_t>(item)] >= least))
          row.push_back(item);
      if (row.size() < o_.shortest_row) row.clear();
      rng_.shuffle(row);
    }
  }
  // Draws the new items, and for each how many of its users keep it: those whom the order of the data, which is drawn,
  // has first.
  void choose_new_items() {
    std::vector<std::size_t> degree(static_cast<std::size_t>(items_), 0);
    for (const Row& row : shown_)
      for (const std::int32_t item : row) ++degree[static_cast<std::size_t>(item)];
    constexpr std::int32_t kFew[] = {1, 2, 3, 5};
    is_new_.assign(degree.size(), 0);
    for (std::size_t item = 0; item < degree.size(); ++item)
      if (degree[item] >= 10 && rng_.uniform() < o_.new_items) is_new_[item] = 1;
    left_.assign(degree.size(), 0);
    for (std::int32_t& left : left_) left = kFew[rng_.below(4)];
    std::vector<std::int32_t> order(shown_.size());
    std::iota(order.begin(), order.end(), 0);
    rng_.shuffle(order);
    for (const std::int32_t user : order) {
      Row &row = shown_[static_cast<std::size_t>(user)], &out = cut_[static_cast<std::size_t>(user)];
      std::erase_if(row, [&](std::int32_t item) {
        const auto at = static_cast<std::size_t>(item);
        if (is_new_[at] == 0 || left_[at]-- > 0) return false;
        out.push_back(item);
        return true;
      });
    }
  }
  void hide() {
    std::vector<std::int32_t> able;
    hidden_.resize(static_cast<std::size_t>(lists_.rows()));
    shown_.resize(static_cast<std::size_t>(lists_.rows()));
    cut_.resize(shown_.size());
    draw_rows();
    if (o_.new_items > 0) choose_new_items();
    for (std::int32_t user = 0; user < lists_.rows(); ++user)
      if (shown_[static_cast<std::size_t>(user)].size() >= 2) able.push_back(user);
    rng_.shuffle(able);
    supervised_.assign(able.begin(), able.begin() + (std::min)(static_cast<std::ptrdiff_t>(able.size()),
                                                               static_cast<std::ptrdiff_t>(o_.supervised)));
    std::vector<char> asked(shown_.size(), 0);
    for (const std::int32_t user : supervised_) asked[static_cast<std::size_t>(user)] = 1;
    for (std::size_t user = 0; user < shown_.size(); ++user) {
      Row &row = shown_[user], &hidden = hidden_[user];
      const std::size_t keep = kept_of(row.size(), asked[user] != 0);
      hidden.assign(row.begin() + static_cast<std::ptrdiff_t>(keep), row.end());
      hidden.insert(hidden.end(), cut_[user].begin(), cut_[user].end());
      if (!cut_[user].empty()) rng_.shuffle(hidden);
      const std::size_t seen = o_.cross_fit ? keep : row.size();
      for (std::size_t i = 0; i < seen; ++i) visible_.push_back({static_cast<std::int32_t>(user), row[i], 1.0f});
      row.resize(keep);
    }
  }
  // How many items of a row stay visible.
  std::size_t kept_of(std::size_t size, bool asked) {
    const double wanted = o_.hidden * static_cast<double>(size);
    auto away = static_cast<std::size_t>(wanted);
    if (rng_.uniform() < wanted - std::floor(wanted)) ++away;
    if (asked) away = (std::max)(away, std::size_t{1});
    constexpr std::size_t kFew[] = {0, 1, 2, 3, 5, 8};
    if (asked && rng_.uniform() < o_.cold) {
      const std::size_t few = kFew[rng_.below(6)];
      if (few < size) return few;
    }
    return size - (std::min)(away, size);
  }

  void add_user(const Statistics& s, std::int32_t user, TrainingRows& rows) {
    const Row& history = shown_[static_cast<std::size_t>(user)];
    Row positives = hidden_[static_cast<std::size_t>(user)], also;
    std::erase_if(positives, [&](std::int32_t item) { return s.item_degree(item) == 0; });
    if (positives.empty()) return;
    if (!System::kOwnCandidates) {
      also = positives;
      for (int i = 0; i < kNegatives; ++i)
        also.push_back(static_cast<std::int32_t>(rng_.below(static_cast<std::uint32_t>(items_))));
    }
    pairs_.build(s, user, history, also);
    const std::vector<std::int32_t>& candidates = pairs_.items();
    if (candidates.empty()) return;
    for (std::size_t i = 0; i < candidates.size(); ++i)
      place_[static_cast<std::size_t>(candidates[i])] = static_cast<std::int32_t>(i);
    TrainingRows::User entry{rows.features.size() / System::kWidth, 0, 0};
    for (const std::int32_t item : positives)
      if (entry.positives < kPositives) entry.positives += take(item, rows);
    // What was touched is no negative, taken or not.
    for (const std::int32_t item : positives) place_[static_cast<std::size_t>(item)] = -1;
    // Evenly among the candidates: another law would teach its own shape along with what people choose.
    for (int i = 0; i < kNegatives; ++i)
      entry.negatives += take(candidates[rng_.below(static_cast<std::uint32_t>(candidates.size()))], rows);
    for (const std::int32_t item : candidates) place_[static_cast<std::size_t>(item)] = -1;
    if (entry.positives > 0 && entry.negatives > 0)
      rows.users.push_back(entry);
    else
      rows.features.resize(entry.first * System::kWidth);
  }
  // Copies the row of a candidate, once.
  std::uint32_t take(std::int32_t item, TrainingRows& rows) {
    std::int32_t& place = place_[static_cast<std::size_t>(item)];
    if (place < 0) return 0;
    const auto row = pairs_.row(static_cast<std::size_t>(place));
    rows.features.insert(rows.features.end(), row.begin(), row.end());
    place = -1;
    return 1;
  }

  static constexpr std::uint32_t kPositives = 12;
  static constexpr int kNegatives = 60;

  WorldOptions o_;
  typename System::Options statistics_;
  std::int32_t items_;
  thaw::Philox rng_;
  const thaw::IdLists& lists_;
  std::vector<Row> shown_, hidden_, cut_;  // cut: of new items
  std::vector<thaw::Rating> visible_;
  std::vector<std::int32_t> supervised_, place_;
  std::vector<std::size_t> degree_;  // of items, where a core is asked for
  std::vector<char> is_new_;         // (items), empty where none is
  std::vector<std::int32_t> left_;   // interactions that a new item may still show
  typename System::Pairs pairs_;
};

}  // namespace detail

// `lists`: what may be learnt from, a row for each user. Fails where nothing is left to fit.
template <class System = BestSystem>
thaw::Result<thaw::Done> add_world(const thaw::IdLists& lists, std::int32_t items, const WorldOptions& options,
                                   TrainingRows& rows, const typename System::Options& statistics = {}) {
  return detail::World<System>(lists, items, options, statistics).add_to(rows);
}

}  // namespace zero_shot
