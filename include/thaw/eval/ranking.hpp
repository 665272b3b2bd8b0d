// Ranking metrics of one user's list, on rating values: Precision@k, MAP@k and NDCG@k.
//
//   const thaw::RankedList list = thaw::rank_by_prediction(predictions, truths, items, seed);
//   const thaw::RankingScore at5 = thaw::score_ranking(list.truths, 5);
//   if (at5.applicable) use(at5.precision, at5.ndcg, at5.average_precision);
//
// Let y(1), y(2), ... be the true ratings in predicted order and t the k largest true ratings.
//   hit(i)       y(i) is still in the multiset t (one copy is then removed)
//   Precision@k  hits / k. No relevance threshold: a hit says "this value belongs among the k largest".
//   MAP@k        sum over hits of (hits so far / i), divided by k, not by the number of hits
//   NDCG@k       sum of gain(y(i)) / log2(i + 1), divided by the same sum over t in descending order
// A list shorter than k has no value at k. Lists hold rated items only, so a list of exactly k items scores
// Precision 1 in any order: print a random order next to every number. Not metrics for implicit feedback.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

// What a rating is worth in NDCG. Numbers with different gains cannot be compared.
enum class Gain : std::uint8_t {
  linear,       // y
  exponential,  // 2^y - 1
};

struct RankingScore {
  bool applicable = false;  // false: the list is shorter than k, the other members mean nothing
  double precision = 0;
  double ndcg = 0;
  double average_precision = 0;
};

struct RankedList {
  std::vector<std::int32_t> order;  // positions of the input, best predicted first
  std::vector<float> truths;        // true ratings in that order
};

namespace detail {

// A prediction that is not a number ranks below every number.
inline float rankable(float prediction) { return prediction == prediction ? prediction : -HUGE_VALF; }

inline double gain_of(float rating, Gain gain) {
  const auto y = static_cast<double>(rating);
  return gain == Gain::linear ? y : std::exp2(y) - 1.0;
}

}  // namespace detail

// Sorts by prediction, descending. All spans have one entry an item.
//
// Equal predictions are ordered by a seeded hash of the item id, never by the order of the input: candidate lists
// often arrive with the best rated or the positive item first, and a stable sort would then turn a constant predictor
// into a perfect one. The result is the same for every order of the input. (Should one item be listed twice with one
// prediction, its lower rating goes first.)
inline RankedList rank_by_prediction(std::span<const float> predictions, std::span<const float> truths,
                                     std::span<const std::int32_t> items, std::uint64_t seed) {
  require(predictions.size() == truths.size() && predictions.size() == items.size(),
          "rank_by_prediction: ", predictions.size(), " predictions, ", truths.size(), " ratings and ", items.size(),
          " items");
  struct Entry {
    float prediction;
    float truth;
    std::uint64_t tie_break;
    std::int32_t position;
  };
  std::vector<Entry> entries(predictions.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {detail::rankable(predictions[i]), truths[i],
                  Key{seed}.fold(static_cast<std::uint32_t>(items[i])).bits, static_cast<std::int32_t>(i)};
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.prediction != b.prediction) return a.prediction > b.prediction;
    if (a.tie_break != b.tie_break) return a.tie_break < b.tie_break;
    return a.truth < b.truth;
  });
  RankedList list;
  list.order.reserve(entries.size());
  list.truths.reserve(entries.size());
  for (const Entry& entry : entries) {
    list.order.push_back(entry.position);
    list.truths.push_back(entry.truth);
  }
  return list;
}

// The metrics at k of true ratings that are already in predicted order. Ratings must not be negative. NDCG is 0 where
// every rating is 0 (there is nothing to gain).
inline RankingScore score_ranking(std::span<const float> truths, std::int32_t k, Gain gain = Gain::linear) {
  require(k > 0, "score_ranking: k is ", k, ", must be at least 1");
  const auto depth = static_cast<std::size_t>(k);
  RankingScore score;
  if (truths.size() < depth) return score;
  score.applicable = true;
  std::vector<float> best(truths.begin(), truths.end());
  std::partial_sort(best.begin(), best.begin() + k, best.end(), std::greater<float>());
  best.resize(depth);

  double gained = 0;
  double ideal = 0;
  for (std::size_t i = 0; i < depth; ++i) {
    const double discount = std::log2(static_cast<double>(i + 2));
    gained += detail::gain_of(truths[i], gain) / discount;
    ideal += detail::gain_of(best[i], gain) / discount;
  }
  score.ndcg = ideal > 0 ? gained / ideal : 0.0;

  int hits = 0;
  for (std::size_t i = 0; i < depth; ++i) {
    const auto match = std::find(best.begin(), best.end(), truths[i]);
    if (match == best.end()) continue;
    best.erase(match);
    ++hits;
    score.average_precision += static_cast<double>(hits) / static_cast<double>(i + 1);
  }
  score.precision = static_cast<double>(hits) / static_cast<double>(k);
  score.average_precision /= static_cast<double>(k);
  return score;
}

}  // namespace thaw::inline v0
