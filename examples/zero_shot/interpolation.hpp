// Interpolation of two recommenders: a convex combination of their scores, standardised for each user.
//
//   score = w z(first) + (1 - w) z(second),   z: mean 0 and deviation 1 over the items that the user does not have
//
//   auto tables = zero_shot::measure_mixtures(validation, ours, lightgcn, zero_shot::kWeights);    // 0, 0.1, ..., 1
//   zero_shot::Choice choice = zero_shot::choose_weight(tables.value()).value();
//   auto mixed = zero_shot::measure_mixtures(test, ours_of_all, lightgcn_of_all, std::vector{choice.weight});
//
// Weight 1 ranks as the first alone, weight 0 as the second. A constant added to either changes nothing. The weight is
// chosen on validation items, with both recommenders fitted to the training items alone, and no user may be answered by
// a model whose settings she helped to choose: it looks better to her than it is, and gets too much weight
// (other_models.hpp cross-fits). The better part is left only for a mixture that gains more over it than the standard
// error of that gain. Sources: Pre-trained Neural Recommenders, equation 11; the rule of one standard error is Breiman
// et al., Classification and Regression Trees, 1984, 3.4.3 (Hastie et al., The Elements of Statistical Learning, 7.10),
// here with paired differences; the standardisation is our own choice.
#pragma once

#include <cmath>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "thaw/eval/metric_table.hpp"
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

namespace detail {

// Users of the same metrics come behind those of a table, which may be empty.
inline void append(thaw::MetricTable& to, thaw::MetricTable&& from) {
  if (to.columns.empty()) {
    to = std::move(from);
    return;
  }
  to.users.insert(to.users.end(), from.users.begin(), from.users.end());
  for (std::size_t c = 0; c < to.columns.size(); ++c)
    to.columns[c].per_user.insert(to.columns[c].per_user.end(), from.columns[c].per_user.begin(),
                                  from.columns[c].per_user.end());
}

}  // namespace detail

// The standardised scores of two recommenders for the users [begin, end) of a target, in its order.
struct ScorePairs {
  std::vector<std::vector<float>> first, second;
};

template <class First, class Second>
thaw::Result<ScorePairs> score_pairs(const Target& target, First&& first, Second&& second, std::size_t begin,
                                     std::size_t end) {
  ScorePairs pairs;
  const auto ask = [&](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    thaw::detail::ask(first, query, items, out);
    pairs.first.emplace_back(out.begin(), out.end());
    thaw::detail::ask(second, query, items, out);
    pairs.second.emplace_back(out.begin(), out.end());
    standardise(pairs.first.back(), query.known);
    standardise(pairs.second.back(), query.known);
  };
  const auto asked = target.measure(ask, begin, end);
  if (!asked) return asked.fault();
  return pairs;
}

// Answers the queries that the pairs are of in their order, from the start at each evaluation.
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

// A table for each weight. Both recommenders are asked once a user, for a block of users at a time: all scores of some
// thousand users at once would fill the memory.
template <class First, class Second>
thaw::Result<std::vector<thaw::MetricTable>> measure_mixtures(const Target& target, First&& first, Second&& second,
                                                              std::span<const double> weights) {
  constexpr std::size_t kBlock = 256;
  std::vector<thaw::MetricTable> tables(weights.size());
  for (std::size_t begin = 0; begin < target.users(); begin += kBlock) {
    const auto pairs = score_pairs(target, first, second, begin, begin + kBlock);
    if (!pairs) return pairs.fault();
    for (std::size_t w = 0; w < weights.size(); ++w) {
      thaw::Result<thaw::MetricTable> part = target.measure(Mixed(pairs.value(), weights[w]), begin, begin + kBlock);
      if (!part) return part.fault();
      detail::append(tables[w], std::move(part.value()));
    }
  }
  for (thaw::MetricTable& table : tables)
    for (thaw::MetricColumn& column : table.columns) column.over_users = thaw::summarize(column.per_user);
  return tables;
}

inline constexpr double kWeights[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};

struct Choice {
  double weight = 0;  // of the first: that of the best mixture, or 0 or 1 where it does not gain enough
  double best = 0;    // of the best mixture
  double gain = 0;    // its NDCG@20 less that of the better part
  double error = 0;   // standard error of the gain over users
};

// Tables of kWeights, in their order. Equal parts: the first. Equal mixtures: the nearest to the better part. Error: no
// user, or tables of other users.
inline thaw::Result<Choice> choose_weight(std::span<const thaw::MetricTable> tables) {
  thaw::require(tables.size() == std::size(kWeights), "choose_weight: ", tables.size(), " tables for ",
                std::size(kWeights), " weights");
  const auto value = [&](std::size_t w) { return tables[w].mean("NDCG@20"); };
  const std::size_t last = std::size(kWeights) - 1;
  if (!(value(0) >= 0) || !(value(last) >= 0))
    return thaw::make_fault(thaw::FaultKind::out_of_range,
                            "interpolation: nobody has validation items; give the weight yourself");
  const bool first_is_better = value(last) >= value(0);
  const std::size_t better = first_is_better ? last : 0;
  std::size_t best = 0;
  for (std::size_t step = 1; step < last; ++step) {
    const std::size_t w = first_is_better ? last - step : step;
    if (step == 1 || value(w) > value(best) + 1e-12) best = w;
  }
  const std::span<const double> mixed = tables[best].find("NDCG@20")->per_user;
  const std::span<const double> part = tables[better].find("NDCG@20")->per_user;
  thaw::require(mixed.size() == part.size(), "choose_weight: tables of ", mixed.size(), " and ", part.size(), " users");
  std::vector<double> gains(mixed.size());
  for (std::size_t user = 0; user < gains.size(); ++user) gains[user] = mixed[user] - part[user];
  const thaw::Spread gain = thaw::summarize(gains);
  // One user shows no spread: nothing is known about noise, and nothing is taken.
  const bool known = gain.count > 1;
  const double error = known ? gain.deviation / std::sqrt(static_cast<double>(gain.count)) : 0;
  const bool taken = known && gain.mean > error;
  return Choice{kWeights[taken ? best : better], kWeights[best], gain.mean, error};
}

}  // namespace zero_shot
