// Evaluation protocols of cold-start rating prediction: what may be seen, and what is scored.
//
//   const thaw::Protocol protocol = thaw::leak_free_protocol();
//   const auto visible = thaw::choose_visible(cold_ratings, {.cold_users = true}, protocol, seed);
//   for (const thaw::Query& query : thaw::choose_queries(cold_ratings, visible, protocol, seed))
//     scores.push_back(thaw::score_query(query, predictor));
//   const thaw::MetricTable table = thaw::evaluate(scores);
//
// Two protocols have names. `leak_free` is the one to report. `published` repeats how the context models of the
// literature were scored, so that a number can be put beside a printed one; docs/evaluation.md lists what leaks in it.
// Not a splitter of users and items into warm and cold: that is the data set's business.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

struct Protocol {
  static constexpr std::int32_t kAllCandidates = 0;

  const char* name = "leak-free";
  bool target_row_only = true;             // false: every user of a context is scored, targets or not
  bool hidden_only = true;                 // false: ratings given as input are scored as well
  std::int32_t most_candidates = 32;       // items scored for one target; kAllCandidates: every hidden one
  std::int32_t most_visible_per_cold = 3;  // ratings given as input, for one cold user or cold item
  double visible_fraction = 0.1;           // of the ratings of a cold entity, rounded up, before that limit
};

// The target's row only, hidden ratings only. The default.
constexpr Protocol leak_free_protocol() { return {}; }

// Every row of a context, every observed cell, whether shown as input or not.
constexpr Protocol published_protocol() {
  return {.name = "published", .target_row_only = false, .hidden_only = false};
}

// Which side of a set of test ratings is cold.
struct ColdSides {
  bool cold_users = false;
  bool cold_items = false;
};

// One target and the hidden ratings to predict for it. `items` is in a seeded random order.
struct Query {
  std::int32_t user = 0;
  std::vector<std::int32_t> items;
  std::vector<float> truths;
};

// What a predictor said about one user's items. Under `published` one user may appear several times.
struct UserScores {
  std::int32_t user = 0;
  std::vector<std::int32_t> items;
  std::vector<float> predictions;
  std::vector<float> truths;
};

namespace detail {

inline std::uint64_t pair_hash(std::uint64_t seed, std::uint64_t purpose, const Rating& rating) {
  return Key{seed}
      .fold(purpose)
      .fold((std::uint64_t(static_cast<std::uint32_t>(rating.user)) << 32) | static_cast<std::uint32_t>(rating.item))
      .bits;
}

// How many of `count` ratings of a cold entity may be shown. At least one always stays hidden.
inline std::int32_t visible_budget(std::int32_t count, const Protocol& protocol) {
  const double share = std::ceil(protocol.visible_fraction * static_cast<double>(count) - 1e-9);
  const std::int32_t wanted = (std::min)(static_cast<std::int32_t>(share), protocol.most_visible_per_cold);
  return (std::max)(0, (std::min)(wanted, count - 1));
}

// Positions of `ratings`, ordered by a seeded hash of (user, item): an order that the input cannot influence.
inline std::vector<std::size_t> hashed_order(std::span<const Rating> ratings, std::uint64_t seed,
                                             std::uint64_t purpose) {
  std::vector<std::pair<std::uint64_t, std::size_t>> keyed(ratings.size());
  for (std::size_t i = 0; i < ratings.size(); ++i) keyed[i] = {pair_hash(seed, purpose, ratings[i]), i};
  std::sort(keyed.begin(), keyed.end());
  std::vector<std::size_t> order(ratings.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = keyed[i].second;
  return order;
}

}  // namespace detail

// Which test ratings are given as input (1) and which stay hidden (0), one entry a rating.
//
// Every cold entity gets at most `most_visible_per_cold` visible ratings, at most `visible_fraction` of its ratings
// (rounded up, so that two ratings are enough for one visible one), and keeps at least one hidden. A rating between a
// cold user and a cold item counts against both. The choice depends on the seed and the ids, not on the input order.
inline std::vector<std::uint8_t> choose_visible(std::span<const Rating> ratings, ColdSides cold,
                                                const Protocol& protocol, std::uint64_t seed) {
  require(cold.cold_users || cold.cold_items, "choose_visible: neither users nor items are cold, nothing to hide");
  std::int32_t users = 0;
  std::int32_t items = 0;
  for (const Rating& r : ratings) {
    users = (std::max)(users, r.user + 1);
    items = (std::max)(items, r.item + 1);
  }
  std::vector<std::int32_t> user_budget(static_cast<std::size_t>(users), 0);
  std::vector<std::int32_t> item_budget(static_cast<std::size_t>(items), 0);
  for (const Rating& r : ratings) {
    ++user_budget[static_cast<std::size_t>(r.user)];
    ++item_budget[static_cast<std::size_t>(r.item)];
  }
  for (std::int32_t& budget : user_budget) budget = detail::visible_budget(budget, protocol);
  for (std::int32_t& budget : item_budget) budget = detail::visible_budget(budget, protocol);

  std::vector<std::uint8_t> visible(ratings.size(), 0);
  for (const std::size_t i : detail::hashed_order(ratings, seed, 1)) {
    std::int32_t& of_user = user_budget[static_cast<std::size_t>(ratings[i].user)];
    std::int32_t& of_item = item_budget[static_cast<std::size_t>(ratings[i].item)];
    if ((cold.cold_users && of_user == 0) || (cold.cold_items && of_item == 0)) continue;
    visible[i] = 1;
    if (cold.cold_users) --of_user;
    if (cold.cold_items) --of_item;
  }
  return visible;
}

// The hidden ratings of every user, users ascending; users without one are left out. Where a user has more than
// `most_candidates`, a seeded choice is taken.
inline std::vector<Query> choose_queries(std::span<const Rating> ratings, std::span<const std::uint8_t> visible,
                                         const Protocol& protocol, std::uint64_t seed) {
  require(ratings.size() == visible.size(), "choose_queries: ", ratings.size(), " ratings, ", visible.size(),
          " visibility marks");
  std::vector<std::size_t> hidden;
  for (const std::size_t i : detail::hashed_order(ratings, seed, 2))
    if (visible[i] == 0) hidden.push_back(i);
  std::stable_sort(hidden.begin(), hidden.end(),
                   [&](std::size_t a, std::size_t b) { return ratings[a].user < ratings[b].user; });
  std::vector<Query> queries;
  for (const std::size_t i : hidden) {
    const Rating& r = ratings[i];
    if (queries.empty() || queries.back().user != r.user) queries.push_back({r.user, {}, {}});
    Query& query = queries.back();
    const bool full = protocol.most_candidates != Protocol::kAllCandidates &&
                      query.items.size() >= static_cast<std::size_t>(protocol.most_candidates);
    if (full) continue;
    query.items.push_back(r.item);
    query.truths.push_back(r.value);
  }
  return queries;
}

// Asks a predictor, anything with `score(user, items, out)`, about a query.
template <class Predictor>
UserScores score_query(const Query& query, const Predictor& predictor) {
  UserScores scores{query.user, query.items, std::vector<float>(query.items.size()), query.truths};
  predictor.score(query.user, std::span<const std::int32_t>(scores.items), std::span<float>(scores.predictions));
  return scores;
}

// The cells of one prediction context, row-major: (users, items). Row 0 is the target.
struct ScoredCells {
  std::span<const std::int32_t> users;
  std::span<const std::int32_t> items;
  std::span<const float> predictions;
  std::span<const float> truths;           // read where observed only
  std::span<const std::uint8_t> observed;  // a true rating exists
  std::span<const std::uint8_t> visible;   // it was given as input
};

// Appends what the protocol scores of a context: one entry for each scored row that has at least one scored cell.
inline void collect_cells(const Protocol& protocol, const ScoredCells& cells, std::vector<UserScores>& out) {
  const std::size_t width = cells.items.size();
  const std::size_t count = cells.users.size() * width;
  require(cells.predictions.size() == count && cells.truths.size() == count && cells.observed.size() == count &&
              cells.visible.size() == count,
          "collect_cells: every array must have ", cells.users.size(), " x ", width, " entries");
  const std::size_t rows =
      protocol.target_row_only ? (std::min)(cells.users.size(), std::size_t{1}) : cells.users.size();
  for (std::size_t row = 0; row < rows; ++row) {
    UserScores scores{cells.users[row], {}, {}, {}};
    for (std::size_t column = 0; column < width; ++column) {
      const std::size_t at = row * width + column;
      if (cells.observed[at] == 0 || (protocol.hidden_only && cells.visible[at] != 0)) continue;
      scores.items.push_back(cells.items[column]);
      scores.predictions.push_back(cells.predictions[at]);
      scores.truths.push_back(cells.truths[at]);
    }
    if (!scores.items.empty()) out.push_back(std::move(scores));
  }
}

}  // namespace thaw::inline v0
