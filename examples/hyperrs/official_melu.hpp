// MeLU's published protocol on MovieLens-1M: its four partitions {training, new} users x {known, new} films, one
// support and query set a user, drawn once.
//
//   auto official = hyperrs::read_official_melu("ml-1m", /*seed*/ 1);
//   hyperrs::MeluLearner learner(official.value().data, hyperrs::official_melu_options());
//   std::array<hyperrs::OfficialScore, 4> scores = hyperrs::run_official_melu(
//       learner, official.value(), hyperrs::kOfficialEpochs, /*seed*/ 1, [](int epoch, double loss) { ... });
//
// A user takes part in a partition where she has 13 to 100 records: 10 of them at random are the query, the rest the
// support. The partition of training users is scored on the very queries that were trained on, as published. Not a
// fair test of anything: for that see the leak-free protocol.
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/melu.hpp"
#include "thaw/data/cold_start_episodes.hpp"
#include "thaw/data/cold_start_states.hpp"
#include "thaw/data/movielens.hpp"
#include "thaw/eval/ranking.hpp"
#include "thaw/eval/rating_error.hpp"

namespace hyperrs {

struct OfficialPartition {
  const char* name = "";
  std::vector<thaw::Episode> episodes;
  double published_error = 0;  // mean absolute error of one inner step, as printed
  double published_ndcg1 = 0;
};

struct OfficialMelu {
  thaw::Dataset data;
  std::array<OfficialPartition, 4> partitions;

  std::span<const thaw::Episode> training() const { return partitions[0].episodes; }
};

inline constexpr std::size_t kOfficialBatch = 32;
inline constexpr int kOfficialEpochs = 30;

// The published rates are the defaults.
inline MeluOptions official_melu_options() { return {}; }

// Reads MovieLens-1M from `folder` and the film attributes and partitions from `folder` + "-melu".
inline thaw::Result<OfficialMelu> read_official_melu(const std::string& folder, std::uint64_t seed) {
  thaw::Result<thaw::Dataset> data = thaw::read_movielens_1m(folder);
  if (!data) return data.fault();
  OfficialMelu official;
  official.data = std::move(data).value();
  const thaw::Result<thaw::ColdStartStates> states = thaw::read_cold_start_states(folder + "-melu", official.data);
  if (!states) return states.fault();
  const thaw::ColdStartStates& s = states.value();
  const std::pair<const thaw::ColdStartState*, OfficialPartition> parts[] = {
      {&s.warm, {"known films, training users", {}, 0.7661, 0.8866}},
      {&s.user_cold, {"known films, new users", {}, 0.7884, 0.8799}},
      {&s.item_cold, {"new films, training users", {}, 0.9361, 0.7715}},
      {&s.both_cold, {"new films, new users", {}, 0.9299, 0.7760}}};
  for (std::size_t i = 0; i < official.partitions.size(); ++i) {
    official.partitions[i] = parts[i].second;
    official.partitions[i].episodes = thaw::episodes_of_state(*parts[i].first, {.seed = seed});
  }
  return official;
}

// One pass over the training users in a new order, 32 at a time; what does not fill a batch is left out, as published.
// Returns the mean query loss.
inline double official_epoch(Learner& learner, std::span<const thaw::Episode> training, int epoch, std::uint64_t seed) {
  std::vector<std::size_t> order(training.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  thaw::Philox rng(thaw::Key{seed}.fold(0x65706f6368u).fold(static_cast<std::uint64_t>(epoch)));
  rng.shuffle(order);
  std::vector<thaw::Episode> batch(kOfficialBatch);
  double loss = 0;
  const std::size_t batches = order.size() / kOfficialBatch;
  for (std::size_t b = 0; b < batches; ++b) {
    for (std::size_t i = 0; i < kOfficialBatch; ++i) batch[i] = training[order[b * kOfficialBatch + i]];
    loss += learner.train(batch);
  }
  return batches > 0 ? loss / static_cast<double>(batches) : 0;
}

// Over the users of a partition. The published nDCG has gain R (`linear`), its formula says 2^R - 1.
struct OfficialScore {
  std::size_t users = 0;
  double error = 0;  // mean absolute error
  double linear_ndcg1 = 0, linear_ndcg3 = 0;
  double exponential_ndcg1 = 0, exponential_ndcg3 = 0;
};

inline OfficialScore official_score(const Learner& learner, std::span<const thaw::Episode> episodes, int steps) {
  OfficialScore score;
  thaw::RatingError error;
  std::vector<float> predicted;
  for (const thaw::Episode& e : episodes) {
    predicted.resize(e.query.items.size());
    learner.adapt(e.user, e.support, steps)->score(e.query.items, predicted);
    error.add(predicted, e.query.labels);
    const auto ranked = thaw::rank_by_prediction(predicted, e.query.labels, e.query.items, 1);
    score.linear_ndcg1 += thaw::score_ranking(ranked.truths, 1, thaw::Gain::linear).ndcg;
    score.linear_ndcg3 += thaw::score_ranking(ranked.truths, 3, thaw::Gain::linear).ndcg;
    score.exponential_ndcg1 += thaw::score_ranking(ranked.truths, 1, thaw::Gain::exponential).ndcg;
    score.exponential_ndcg3 += thaw::score_ranking(ranked.truths, 3, thaw::Gain::exponential).ndcg;
  }
  score.users = episodes.size();
  const double users = static_cast<double>(episodes.size());
  score.error = error.mean_absolute();
  for (double* sum : {&score.linear_ndcg1, &score.linear_ndcg3, &score.exponential_ndcg1, &score.exponential_ndcg3})
    *sum /= users;
  return score;
}

// Trains for `epochs` and scores the four partitions after the learner's own number of inner steps.
// on_epoch(epoch, mean query loss) after each epoch.
template <class OnEpoch>
std::array<OfficialScore, 4> run_official_melu(MeluLearner& learner, const OfficialMelu& official, int epochs,
                                               std::uint64_t seed, const OnEpoch& on_epoch) {
  for (int epoch = 0; epoch < epochs; ++epoch)
    on_epoch(epoch, official_epoch(learner, official.training(), epoch, seed));
  std::array<OfficialScore, 4> scores;
  for (std::size_t i = 0; i < scores.size(); ++i)
    scores[i] = official_score(learner, official.partitions[i].episodes, learner.options().inner_steps);
  return scores;
}

}  // namespace hyperrs
