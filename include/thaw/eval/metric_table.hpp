// MetricTable: every metric of one predictor, for every user, with the means that a paper prints.
//
//   const thaw::MetricTable ours = thaw::evaluate(our_scores), base = thaw::evaluate(base_scores);
//   use(ours.mean("NDCG@5"), ours.pooled.root_mean_squared());
//   const auto difference = thaw::compare(ours, base, "NDCG@5");   // Result: paired bootstrap over users
//
// Columns: P@k, NDCG@k, MAP@k for each k (fractions, not percent), then MAE and RMSE of each user. Not a formatter:
// result_table.hpp prints.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/eval/protocol.hpp"
#include "thaw/eval/ranking.hpp"
#include "thaw/eval/rating_error.hpp"
#include "thaw/eval/summary.hpp"

namespace thaw::inline v0 {

struct EvaluateOptions {
  std::vector<std::int32_t> depths{5, 7, 10};
  Gain gain = Gain::linear;
  std::uint64_t tie_seed = 1;
};

struct MetricColumn {
  std::string name;              // "P@5"
  std::vector<double> per_user;  // NaN where the metric does not apply (a list shorter than k)
  Spread over_users;             // mean, deviation and count of the users to whom it applies
};

struct MetricTable {
  std::vector<std::int32_t> users;  // row names, in the order of the scores
  std::vector<MetricColumn> columns;
  RatingError pooled;  // over all ratings of all users

  const MetricColumn* find(std::string_view name) const {
    for (const MetricColumn& column : columns)
      if (column.name == name) return &column;
    return nullptr;
  }
  // The mean over users; NaN for an unknown name or when no user has the metric.
  double mean(std::string_view name) const {
    const MetricColumn* column = find(name);
    return column == nullptr ? std::numeric_limits<double>::quiet_NaN() : column->over_users.mean;
  }
};

namespace detail {

inline std::vector<MetricColumn> metric_columns(const EvaluateOptions& options, std::size_t rows) {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  std::vector<MetricColumn> columns;
  const auto add = [&](std::string name) {
    columns.push_back({std::move(name), std::vector<double>(rows, missing), {}});
  };
  for (const std::int32_t k : options.depths) {
    const std::string at = "@" + std::to_string(k);
    add("P" + at);
    add("NDCG" + at);
    add("MAP" + at);
  }
  add("MAE");
  add("RMSE");
  return columns;
}

}  // namespace detail

// Scores every list. Each list counts once, whatever its length; a list shorter than k is skipped for that k alone.
inline MetricTable evaluate(std::span<const UserScores> scores, const EvaluateOptions& options = {}) {
  MetricTable table;
  table.columns = detail::metric_columns(options, scores.size());
  for (std::size_t row = 0; row < scores.size(); ++row) {
    const UserScores& user = scores[row];
    table.users.push_back(user.user);
    const RankedList list = rank_by_prediction(user.predictions, user.truths, user.items, options.tie_seed);
    std::size_t column = 0;
    for (const std::int32_t k : options.depths) {
      const RankingScore score = score_ranking(list.truths, k, options.gain);
      if (score.applicable) {
        table.columns[column].per_user[row] = score.precision;
        table.columns[column + 1].per_user[row] = score.ndcg;
        table.columns[column + 2].per_user[row] = score.average_precision;
      }
      column += 3;
    }
    const RatingError error = rating_error(user.predictions, user.truths);
    table.columns[column].per_user[row] = error.mean_absolute();
    table.columns[column + 1].per_user[row] = error.root_mean_squared();
    table.pooled.add(error);
  }
  for (MetricColumn& column : table.columns) column.over_users = summarize(column.per_user);
  return table;
}

// Bootstrap interval of (first - second) for one metric. Both tables must list the same users in the same order.
// For MAE and RMSE a negative difference is the better one. Rows of the `published` protocol share users and contexts,
// so its intervals come out too narrow.
inline Result<PairedDifference> compare(const MetricTable& first, const MetricTable& second, std::string_view metric,
                                        const BootstrapOptions& options = {}) {
  const MetricColumn* a = first.find(metric);
  const MetricColumn* b = second.find(metric);
  if (a == nullptr || b == nullptr) {
    return make_fault(FaultKind::not_found, "compare: no metric '", TextView{metric.data(), metric.size()}, "' in the ",
                      a == nullptr ? "first" : "second", " table; ask for one of its columns");
  }
  if (first.users != second.users) {
    return make_fault(FaultKind::mismatch, "compare: the tables list different users (", first.users.size(), " and ",
                      second.users.size(), " rows); score both predictors on the same queries");
  }
  return paired_bootstrap(a->per_user, b->per_user, options);
}

}  // namespace thaw::inline v0
