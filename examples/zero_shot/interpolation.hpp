// Interpolation of two recommenders: a convex combination of their scores, standardised for each user.
//
//   score = w z(first) + (1 - w) z(second),   z: mean 0 and deviation 1 over the items that the user does not have
//
//   zero_shot::ScorePairs pairs = zero_shot::score_pairs(target, ours, lightgcn);      // both asked once
//   double w = zero_shot::choose_weight(validation_pairs, validation_target);          // by NDCG@20, 0, 0.1, ..., 1
//   auto table = target.measure(zero_shot::Mixed(pairs, w));
//
// Weight 1 ranks as the first alone, weight 0 as the second. A constant added to either changes nothing. The weight is
// chosen on validation items, with both recommenders fitted to the training items alone. Source: Pre-trained Neural
// Recommenders, equation 11; the standardisation is our own choice.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "zero_shot/target.hpp"

namespace zero_shot {

// Mean 0 and deviation 1 over what is not known; known items get 0. Equal scores everywhere: all 0.
inline void standardise(std::span<float> scores, std::span<const std::int32_t> known) {
  std::vector<char> masked(scores.size(), 0);
  for (const std::int32_t item : known) masked[static_cast<std::size_t>(item)] = 1;
  double sum = 0, count = 0, squares = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (masked[i] == 0) sum += static_cast<double>(scores[i]), count += 1;
  const double mean = count > 0 ? sum / count : 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (masked[i] == 0) squares += (static_cast<double>(scores[i]) - mean) * (static_cast<double>(scores[i]) - mean);
  const double deviation = count > 0 ? std::sqrt(squares / count) : 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    scores[i] = masked[i] != 0 || deviation < 1e-12
                    ? 0.0f
                    : static_cast<float>((static_cast<double>(scores[i]) - mean) / deviation);
}

// The standardised scores of two recommenders for every query of a target, in its order.
struct ScorePairs {
  std::vector<std::vector<float>> first, second;
};

template <class First, class Second>
thaw::Result<ScorePairs> score_pairs(const Target& target, First&& first, Second&& second) {
  ScorePairs pairs;
  const auto ask = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    thaw::detail::ask(first, query, items, out);
    pairs.first.emplace_back(out.begin(), out.end());
    thaw::detail::ask(second, query, items, out);
    pairs.second.emplace_back(out.begin(), out.end());
    standardise(pairs.first.back(), query.known);
    standardise(pairs.second.back(), query.known);
  };
  const auto asked = target.measure(ask);
  if (!asked) return asked.fault();
  return pairs;
}

// Answers the queries of the target in their order, from the start at each evaluation.
class Mixed {
 public:
  Mixed(const ScorePairs& pairs, double weight) : pairs_(pairs), weight_(static_cast<float>(weight)) {}
  void operator()(const thaw::TopNQuery&, std::span<const std::int32_t> items, std::span<float> out) {
    const std::vector<float>&first = pairs_.first[next_], &second = pairs_.second[next_];
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto item = static_cast<std::size_t>(items[i]);
      out[i] = weight_ == 1 ? first[item] : weight_ * first[item] + (1 - weight_) * second[item];
    }
    next_ = (next_ + 1) % pairs_.first.size();
  }

 private:
  const ScorePairs& pairs_;
  float weight_;
  std::size_t next_ = 0;
};

// Of 0, 0.1, ..., 1 the weight with the best NDCG@20; of equal ones the nearest to a half.
inline thaw::Result<double> choose_weight(const ScorePairs& pairs, const Target& validation) {
  double best = 0.5, value = -1;
  for (const int tenths : {5, 4, 6, 3, 7, 2, 8, 1, 9, 0, 10}) {
    const auto table = validation.measure(Mixed(pairs, tenths / 10.0));
    if (!table) return table.fault();
    const double ndcg = table.value().mean("NDCG@20");
    if (ndcg > value + 1e-12) best = tenths / 10.0, value = ndcg;
  }
  return best;
}

}  // namespace zero_shot
