// choose_order_shares: how far the network is trusted with the order of a user's items, by kind of cold start.
//
//   hire::choose_order_shares(data, known, model);      // after training; sets model.start.order_share
//
// Scored on rehearsals that the network did not learn on. By the one-standard-error rule (Breiman et al.,
// Classification and Regression Trees, 1984, section 3.4.3) the smallest share is taken whose NDCG@5 is within one
// standard error of the best one's: where the network does not order better than its start beyond chance, the start's
// order stays.
#pragma once

#include "hire/learn.hpp"

namespace hire {

inline constexpr double kOrderShares[] = {0, 0.5, 1};
inline constexpr int kHeldOutRehearsals = 2;         // one with random new items, one with the newest
inline constexpr std::size_t kHeldOutQueries = 200;  // of one stage

namespace detail {

// NDCG@5 of every user who is asked, for each share.
inline void add_order_share_scores(const Stage& stage, Recommender& model,
                                   std::vector<double> (&ndcg)[std::size(kOrderShares)]) {
  std::vector<thaw::Rating> hidden;
  for (const std::int32_t user : stage.targets)
    for (const auto& edge : stage.hidden.by_user.row(user)) hidden.push_back({user, edge.column, edge.value});
  const std::vector<std::uint8_t> visible(hidden.size(), 0);
  auto queries = thaw::choose_queries(hidden, visible, thaw::leak_free_protocol(), kScoringSeed);
  std::erase_if(queries, [](const thaw::Query& query) { return query.items.size() < 6; });  // no order to get wrong
  if (queries.size() > kHeldOutQueries) queries.resize(kHeldOutQueries);
  const auto full = score_stage(stage, model.start, queries, *model.trainer, *model.packer, kScoringSeed);
  for (std::size_t s = 0; s < std::size(kOrderShares); ++s) {
    auto scores = full;
    for (std::size_t q = 0; q < queries.size(); ++q)
      share_order(score_start(stage, model.start, queries[q]), kOrderShares[s], scores[q].predictions);
    const thaw::MetricTable table = thaw::evaluate(scores);
    if (const thaw::MetricColumn* column = table.find("NDCG@5"))
      ndcg[s].insert(ndcg[s].end(), column->per_user.begin(), column->per_user.end());
  }
}

inline double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The smallest share that is within one standard error of the best, the error being that of the paired difference.
inline double smallest_share(const std::vector<double> (&ndcg)[std::size(kOrderShares)]) {
  std::size_t best = 0;
  for (std::size_t s = 1; s < std::size(kOrderShares); ++s)
    if (mean_of(ndcg[s]) > mean_of(ndcg[best])) best = s;
  for (std::size_t s = 0; s < best; ++s) {
    std::vector<double> gain(ndcg[best]), square;
    for (std::size_t u = 0; u < gain.size(); ++u) gain[u] -= ndcg[s][u];
    const double mean = mean_of(gain);
    for (const double g : gain) square.push_back((g - mean) * (g - mean));
    if (mean <= std::sqrt(mean_of(square) / static_cast<double>(gain.size()))) return kOrderShares[s];
  }
  return kOrderShares[best];
}

}  // namespace detail

// Does nothing for a recipe without rehearsals.
inline void choose_order_shares(const thaw::Dataset& data, const std::vector<thaw::Rating>& known, Recommender& model) {
  const Recipe& recipe = model.recipe();
  if (recipe.episodes == 0) return;
  const Stages held_out = rehearsals(data, known, recipe, recipe.episodes, kHeldOutRehearsals);
  for (double& share : model.start.order_share) share = 1;
  double chosen[3] = {1, 1, 1};
  for (std::size_t kind = 0; kind < 3; ++kind) {
    std::vector<double> ndcg[std::size(kOrderShares)];
    for (const auto& stage : held_out)
      if (stage->kind == static_cast<thaw::Scenario::Kind>(kind)) detail::add_order_share_scores(*stage, model, ndcg);
    if (!ndcg[0].empty()) chosen[kind] = detail::smallest_share(ndcg);
  }
  std::copy(std::begin(chosen), std::end(chosen), model.start.order_share);
}

}  // namespace hire
