// Top-N recommendation from the full catalogue: Recall@N and NDCG@N of what a user touched after her support set.
//
//   std::vector<thaw::TopNQuery> queries{{.user = 7, .known = support_items, .relevant = query_items}};
//   auto ours = thaw::evaluate_top_n(queries, thaw::all_items(3706), ease);      // Result<MetricTable>
//   auto base = thaw::evaluate_top_n(queries, thaw::all_items(3706), popularity);
//   if (ours && base) auto d = thaw::compare(ours.value(), base.value(), "NDCG@10");   // paired bootstrap over users
//
// The list of one user holds every candidate once, except what she is known to have touched. With Q relevant items at
// the places p (1 is the top):
//   Recall@N            relevant items with p <= N, over Q
//   NDCG@N              sum over p <= N of 1 / log2(p + 1), over the same sum for the places 1 .. min(N, Q)
//   NDCG@N (Q places)   the same numerator over the sum for the places 1 .. Q: at most 0.65 for N = 5, Q = 10. Some
//                       published tables divide so; the two must not be compared.
// Equal scores count against the recommender: every other candidate of the same score is placed before a relevant one.
// So no constant, coarse or broken scorer gains by ties. `evaluate_published_top_n` is a published program's own rule.
// Not for ratings (ranking.hpp), and no sampled candidates: samples favour popularity.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/eval/metric_table.hpp"
#include "thaw/eval/ranking.hpp"
#include "thaw/eval/summary.hpp"

namespace thaw::inline v0 {

// One user's question. The spans must outlive the evaluation.
struct TopNQuery {
  std::int32_t user = 0;
  std::span<const std::int32_t> known;     // the support set: shown to the recommender, not candidates
  std::span<const std::int32_t> relevant;  // the query set: each once, none of them known
};

enum class Ties : std::uint8_t {
  pessimistic,  // other candidates before relevant ones of the same score
  hashed,       // by a hash of seed, user and item: what a coin would give, and the same at every run
};

struct TopNOptions {
  std::vector<std::int32_t> depths{5, 10, 20};
  Ties ties = Ties::pessimistic;
  std::uint64_t tie_seed = 1;
};

struct TopNScore {
  double recall = 0;
  double ndcg = 0;           // ideal over min(N, Q) places
  double ndcg_q_places = 0;  // ideal over Q places
};

// Items 0 .. count-1: the usual candidates.
inline std::vector<std::int32_t> all_items(std::int32_t count) {
  std::vector<std::int32_t> items(static_cast<std::size_t>((std::max)(count, 0)));
  std::iota(items.begin(), items.end(), 0);
  return items;
}

// The metrics at N from the places of all relevant items, in any order. At least one item.
inline TopNScore score_top_n(std::span<const std::int64_t> places, std::int32_t n) {
  require(n > 0 && !places.empty(), "score_top_n: N is ", n, " and ", places.size(),
          " items are relevant, both must be at least 1");
  const auto discount = [](std::int64_t place) { return 1.0 / std::log2(static_cast<double>(place + 1)); };
  double gained = 0;
  std::int64_t hits = 0;
  for (const std::int64_t place : places) {
    if (place > n) continue;
    ++hits;
    gained += discount(place);
  }
  const auto relevant = static_cast<std::int64_t>(places.size());
  double ideal = 0;
  double ideal_at_n = 0;
  for (std::int64_t place = 1; place <= relevant; ++place) {
    ideal += discount(place);
    if (place <= n) ideal_at_n = ideal;
  }
  return {static_cast<double>(hits) / static_cast<double>(relevant), gained / ideal_at_n, gained / ideal};
}

namespace detail {

// What each item is in the list of the user at hand.
class CandidateRoles {
 public:
  enum class Role : std::uint8_t { none, candidate, known, relevant };

  static Result<CandidateRoles> from(std::span<const std::int32_t> candidates) {
    CandidateRoles roles;
    std::int32_t largest = -1;
    for (const std::int32_t item : candidates) largest = (std::max)(largest, item);
    roles.role_.assign(static_cast<std::size_t>(largest) + 1, Role::none);
    for (const std::int32_t item : candidates) {
      if (item < 0 || roles.of(item) != Role::none) {
        return make_fault(FaultKind::malformed, "top-N: candidate ", item,
                          item < 0 ? " is not an item" : " is listed twice", "; each item is a candidate once");
      }
      roles.role_[static_cast<std::size_t>(item)] = Role::candidate;
    }
    return roles;
  }
  Role of(std::int32_t item) const {
    const bool inside = item >= 0 && static_cast<std::size_t>(item) < role_.size();
    return inside ? role_[static_cast<std::size_t>(item)] : Role::none;
  }
  // Marks one user's items. Known items need not be candidates (cold-item protocols), relevant ones must.
  Result<Done> enter(const TopNQuery& query) {
    for (const std::int32_t item : query.known)
      if (of(item) != Role::none) role_[static_cast<std::size_t>(item)] = Role::known;
    for (const std::int32_t item : query.relevant) {
      const Role role = of(item);
      if (role != Role::candidate) {
        leave(query);
        return make_fault(FaultKind::malformed, "top-N: relevant item ", item, " of user ", query.user,
                          role == Role::none    ? " is not a candidate and could never be found"
                          : role == Role::known ? " is known as well: its answer is in the input"
                                                : " is listed twice");
      }
      role_[static_cast<std::size_t>(item)] = Role::relevant;
    }
    return Done{};
  }
  void leave(const TopNQuery& query) {
    for (const auto items : {query.known, query.relevant})
      for (const std::int32_t item : items)
        if (of(item) != Role::none) role_[static_cast<std::size_t>(item)] = Role::candidate;
  }

 private:
  std::vector<Role> role_;
};

// Places of the relevant items, ascending, in the list of a user whose roles are entered.
inline void relevant_places(const TopNQuery& query, const CandidateRoles& roles,
                            std::span<const std::int32_t> candidates, std::span<const float> scores,
                            const TopNOptions& options, std::vector<std::int64_t>& places) {
  struct Entry {
    float score;
    std::int32_t item;
  };
  const Key of_user = Key{options.tie_seed}.fold(static_cast<std::uint32_t>(query.user));
  const auto before = [&](const Entry& a, const Entry& b) {
    if (a.score != b.score) return a.score > b.score;
    return of_user.fold(static_cast<std::uint32_t>(a.item)).bits <
           of_user.fold(static_cast<std::uint32_t>(b.item)).bits;
  };
  std::vector<Entry> relevant;
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (roles.of(candidates[i]) == CandidateRoles::Role::relevant)
      relevant.push_back({rankable(scores[i]), candidates[i]});
  std::sort(relevant.begin(), relevant.end(), before);
  // ahead[k]: candidates that come before the k-th relevant item but not before the one above it.
  std::vector<std::int64_t> ahead(relevant.size() + 1, 0);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (roles.of(candidates[i]) != CandidateRoles::Role::candidate) continue;
    const Entry other{rankable(scores[i]), candidates[i]};
    const auto first = std::partition_point(relevant.begin(), relevant.end(), [&](const Entry& entry) {
      return options.ties == Ties::pessimistic ? entry.score > other.score : before(entry, other);
    });
    ++ahead[static_cast<std::size_t>(first - relevant.begin())];
  }
  places.clear();
  std::int64_t place = 0;
  for (std::size_t k = 0; k < relevant.size(); ++k) places.push_back(place += 1 + ahead[k]);
}

// A scorer is asked by history if it can be, else by user number, else it is a function of the query.
template <class Scorer>
void ask(Scorer& scorer, const TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
  if constexpr (requires { scorer.score_from(query.known, items, out); }) {
    scorer.score_from(query.known, items, out);
  } else if constexpr (requires { scorer.score(query.user, items, out); }) {
    scorer.score(query.user, items, out);
  } else {
    scorer(query, items, out);
  }
}

inline MetricTable top_n_table(std::span<const TopNQuery> queries, const std::vector<std::string>& names) {
  MetricTable table;
  for (const TopNQuery& query : queries) table.users.push_back(query.user);
  for (const std::string& name : names)
    table.columns.push_back({name, std::vector<double>(queries.size(), std::numeric_limits<double>::quiet_NaN()), {}});
  return table;
}

inline Result<Done> check_depths(std::span<const std::int32_t> depths, std::int32_t deepest) {
  for (const std::int32_t n : depths)
    if (n < 1 || n > deepest)
      return make_fault(FaultKind::out_of_range, "top-N: N is ", n, ", must lie between 1 and ", deepest);
  return Done{};
}

}  // namespace detail

// Ranks all candidates for every query. Columns Recall@N, NDCG@N and "NDCG@N (Q places)" for each depth; a user without
// a relevant item has a row without values. `scorer` is anything with score_from(history, items, out), or with
// score(user, items, out), or callable as scorer(query, items, out); it is asked for all candidates at once. Fails on
// candidates listed twice, and on relevant items that are known, repeated or not candidates.
template <class Scorer>
Result<MetricTable> evaluate_top_n(std::span<const TopNQuery> queries, std::span<const std::int32_t> candidates,
                                   Scorer&& scorer, const TopNOptions& options = {}) {
  const auto depths = detail::check_depths(options.depths, std::numeric_limits<std::int32_t>::max());
  if (!depths) return depths.fault();
  auto roles = detail::CandidateRoles::from(candidates);
  if (!roles) return roles.fault();
  std::vector<std::string> names;
  for (const std::int32_t n : options.depths) {
    const std::string at = "@" + std::to_string(n);
    names.insert(names.end(), {"Recall" + at, "NDCG" + at, "NDCG" + at + " (Q places)"});
  }
  MetricTable table = detail::top_n_table(queries, names);
  std::vector<float> scores(candidates.size());
  std::vector<std::int64_t> places;
  for (std::size_t row = 0; row < queries.size(); ++row) {
    const TopNQuery& query = queries[row];
    const auto entered = roles.value().enter(query);
    if (!entered) return entered.fault();
    if (!query.relevant.empty()) {
      detail::ask(scorer, query, candidates, std::span<float>(scores));
      detail::relevant_places(query, roles.value(), candidates, scores, options, places);
      for (std::size_t d = 0; d < options.depths.size(); ++d) {
        const TopNScore score = score_top_n(places, options.depths[d]);
        table.columns[3 * d].per_user[row] = score.recall;
        table.columns[3 * d + 1].per_user[row] = score.ndcg;
        table.columns[3 * d + 2].per_user[row] = score.ndcg_q_places;
      }
    }
    roles.value().leave(query);
  }
  for (MetricColumn& column : table.columns) column.over_users = summarize(column.per_user);
  return table;
}

// One user under the published rule, from the scores of her Q relevant items and of the whole catalogue.
//
// The list is the relevant items followed by the catalogue, relevant and known items included once more; equal scores
// keep that order. A hit is one of the first Q entries among the best 50. If the first entry scores exactly 0, or the
// best 50 all score the same, everything is 0. Recall@N = hits / Q, NDCG@N over Q places; `ndcg` holds it as well. A
// perfect scorer without ties reaches Recall@10 = 0.5 for Q = 10; ties put the relevant items first.
inline TopNScore score_published_top_n(std::span<const float> relevant, std::span<const float> catalogue,
                                       std::int32_t n) {
  constexpr std::size_t kListed = 50;
  require(n > 0 && n <= 50 && !relevant.empty(), "score_published_top_n: N is ", n, " and ", relevant.size(),
          " items are relevant; N must lie between 1 and 50, with at least one relevant item");
  std::vector<float> scores(relevant.begin(), relevant.end());
  scores.insert(scores.end(), catalogue.begin(), catalogue.end());
  for (float& score : scores) score = detail::rankable(score);
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t listed = (std::min)(kListed, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(listed), order.end(),
      [&](std::size_t a, std::size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  if (scores[0] == 0 || scores[order[0]] == scores[order[listed - 1]]) return {};
  std::vector<std::int64_t> places(relevant.size(), std::numeric_limits<std::int64_t>::max() - 1);
  for (std::size_t place = 0; place < listed; ++place)
    if (order[place] < relevant.size()) places[order[place]] = static_cast<std::int64_t>(place + 1);
  TopNScore score = score_top_n(places, n);
  score.ndcg = score.ndcg_q_places;
  return score;
}

// The published rule for every query; for putting a number beside a printed one, not for deciding which method is
// better. Columns "Recall@N (published)" and "NDCG@N (published)". Known items are candidates here.
template <class Scorer>
Result<MetricTable> evaluate_published_top_n(std::span<const TopNQuery> queries,
                                             std::span<const std::int32_t> catalogue, Scorer&& scorer,
                                             const TopNOptions& options = {}) {
  const auto depths = detail::check_depths(options.depths, 50);
  if (!depths) return depths.fault();
  std::vector<std::string> names;
  for (const std::int32_t n : options.depths) {
    const std::string at = "@" + std::to_string(n) + " (published)";
    names.insert(names.end(), {"Recall" + at, "NDCG" + at});
  }
  MetricTable table = detail::top_n_table(queries, names);
  std::vector<std::int32_t> items;
  std::vector<float> scores;
  for (std::size_t row = 0; row < queries.size(); ++row) {
    const TopNQuery& query = queries[row];
    const std::size_t relevant = query.relevant.size();
    if (relevant == 0) continue;
    items.assign(query.relevant.begin(), query.relevant.end());
    items.insert(items.end(), catalogue.begin(), catalogue.end());
    scores.assign(items.size(), 0.0f);
    detail::ask(scorer, query, std::span<const std::int32_t>(items), std::span<float>(scores));
    const std::span<const float> all(scores);
    for (std::size_t d = 0; d < options.depths.size(); ++d) {
      const TopNScore score = score_published_top_n(all.first(relevant), all.subspan(relevant), options.depths[d]);
      table.columns[2 * d].per_user[row] = score.recall;
      table.columns[2 * d + 1].per_user[row] = score.ndcg_q_places;
    }
  }
  for (MetricColumn& column : table.columns) column.over_users = summarize(column.per_user);
  return table;
}

}  // namespace thaw::inline v0
