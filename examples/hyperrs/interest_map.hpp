// Interest maps: how much each attribute of the items, and each value a user met, matters to what she is recommended.
//
//   auto map = hyperrs::interest_map(*learner, task.data.items, episodes, candidates, {.steps = 1});   // Result
//   report.heat_maps.push_back(hyperrs::attribute_map(map.value(), task.data.users));
//
// By ablation: the attribute is taken from every item, the user is adapted again to the same support, the candidates
// are scored again. What moved, and what her query lost, is what the attribute is worth to her. This means the same for
// every learner. The published statistic (how many generated weights of an attribute lie in the upper half of their
// range) depends on the activation of the layer that makes them; it is given beside the map and ranks nothing. Not an
// explanation of one recommendation, and not thread-safe: while it runs, `items` lacks what is being ablated.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/eval/top_n.hpp"
#include "thaw/train/report_data.hpp"

namespace hyperrs {

// An attribute without its values, or without one of them, until the end of the scope.
class Ablation {
 public:
  explicit Ablation(thaw::Attribute& attribute) : Ablation(attribute, [](std::int32_t) { return false; }) {}
  Ablation(thaw::Attribute& attribute, std::int32_t value)
      : Ablation(attribute, [value](std::int32_t id) { return id != value; }) {}
  ~Ablation() {
    attribute_->offsets.swap(offsets_);
    attribute_->ids.swap(ids_);
  }
  Ablation(const Ablation&) = delete;
  Ablation& operator=(const Ablation&) = delete;

 private:
  template <class Keep>
  Ablation(thaw::Attribute& attribute, const Keep& keep) : attribute_(&attribute), offsets_{0} {
    for (std::size_t entity = 0; entity + 1 < attribute.offsets.size(); ++entity) {
      for (const std::int32_t id : attribute.of(static_cast<std::int32_t>(entity)))
        if (keep(id)) ids_.push_back(id);
      offsets_.push_back(static_cast<std::int32_t>(ids_.size()));
    }
    attribute.offsets.swap(offsets_);
    attribute.ids.swap(ids_);
  }

  thaw::Attribute* attribute_;
  std::vector<std::int32_t> offsets_, ids_;  // what to put back
};

struct InterestOptions {
  int steps = 1;                 // inner steps, as in the evaluation
  std::size_t most_users = 12;   // shown, spread evenly over the episodes
  std::size_t most_values = 12;  // of an attribute: those that the shown users met most often
  std::int32_t depth = 10;       // N of the NDCG
};

struct AttributeInterest {
  std::string name;
  std::vector<double> change;     // (users): root mean square of the moved scores, in deviations of her scores
  std::vector<double> lost_ndcg;  // (users): NDCG@depth of her query with the attribute, minus without
  std::vector<double> share;      // (users): the published statistic; empty where no weights are generated
  std::vector<std::string> values;
  std::vector<double> lift;  // (users, values): what carriers of a value she met gain by it over the other items
  double mean_change = 0, mean_lost_ndcg = 0;
};

struct InterestMap {
  std::vector<std::int32_t> users;
  std::vector<AttributeInterest> attributes;  // what matters most first, by mean change
  double ndcg = 0;                            // mean of the shown users, nothing ablated
  std::int32_t depth = 10;
};

// The published statistic of a generated kernel: min-max scaled to [0, 1], the share of weights from 0.5 on.
inline double upper_half_share(std::span<const float> weights) {
  if (weights.empty()) return thaw::kNoData;
  const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
  const float middle = *low + (*high - *low) / 2;
  const auto above = std::count_if(weights.begin(), weights.end(), [&](float w) { return w >= middle; });
  return *high > *low ? static_cast<double>(above) / static_cast<double>(weights.size()) : thaw::kNoData;
}

namespace detail {

struct UserInterest {
  std::vector<float> scores;  // (candidates)
  double deviation = 0;       // of the scores
  double ndcg = thaw::kNoData;
};

inline std::vector<double> published_shares(const Adapted& adapted) {
  std::vector<double> shares;
  for (const std::span<const float> kernel : adapted.attribute_kernels()) shares.push_back(upper_half_share(kernel));
  return shares;
}

inline double mean_of(const std::vector<double>& x) {
  double sum = 0, count = 0;
  for (const double v : x)
    if (std::isfinite(v)) sum += v, count += 1;
  return count > 0 ? sum / count : 0;
}

// Root mean square around the mean. A score that is no number counts as the mean.
template <class At>
double deviation_of(std::size_t size, const At& at) {
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double v = at(i);
    if (std::isfinite(v)) sum += v, squares += v * v, count += 1;
  }
  if (count == 0) return 0;
  const double mean = sum / count;
  return std::sqrt((std::max)(0.0, squares / count - mean * mean));
}

inline thaw::Result<UserInterest> ask_user(const Adapted& adapted, const thaw::Episode& e,
                                           std::span<const std::int32_t> candidates, std::int32_t depth) {
  UserInterest out;
  out.scores.resize(candidates.size());
  adapted.score(candidates, out.scores);
  const thaw::TopNQuery query{e.user, e.support.items, e.query.items};
  auto table =
      thaw::evaluate_top_n({&query, 1}, candidates,
                           [&](const thaw::TopNQuery&, std::span<const std::int32_t>, std::span<float> scores) {
                             std::copy(out.scores.begin(), out.scores.end(), scores.begin());
                           },
                           {.depths = {depth}});
  if (!table) return table.fault();
  out.ndcg = table.value().mean("NDCG@" + std::to_string(depth));
  out.deviation = deviation_of(out.scores.size(), [&](std::size_t i) { return static_cast<double>(out.scores[i]); });
  return out;
}

// Between full and ablated scores, in deviations of the full ones. Adding a number to all scores is no change.
inline double change_of(const UserInterest& full, const UserInterest& without) {
  if (!(full.deviation > 0)) return 0;
  return deviation_of(full.scores.size(),
                      [&](std::size_t i) { return static_cast<double>(full.scores[i] - without.scores[i]); }) /
         full.deviation;
}

// How much more the carriers of a value lose by its absence than everything else does, in deviations.
inline double lift_of(const UserInterest& full, std::span<const float> without,
                      const std::vector<std::uint8_t>& carries) {
  double sum[2] = {0, 0}, count[2] = {0, 0};
  for (std::size_t i = 0; i < carries.size(); ++i) {
    const auto moved = static_cast<double>(full.scores[i] - without[i]);
    if (std::isfinite(moved)) sum[carries[i]] += moved, count[carries[i]] += 1;
  }
  if (count[0] == 0 || count[1] == 0 || !(full.deviation > 0)) return thaw::kNoData;
  return (sum[1] / count[1] - sum[0] / count[0]) / full.deviation;
}

// Episodes with a support and a query, at most `most`, evenly spread.
inline std::vector<const thaw::Episode*> shown_episodes(std::span<const thaw::Episode> all, std::size_t most) {
  std::vector<const thaw::Episode*> usable, shown;
  for (const thaw::Episode& e : all)
    if (!e.support.items.empty() && !e.query.items.empty()) usable.push_back(&e);
  const std::size_t count = (std::min)(most, usable.size());
  for (std::size_t i = 0; i < count; ++i) shown.push_back(usable[i * usable.size() / count]);
  return shown;
}

// Which values of an attribute each user met in her support, and the `most` met by most users.
struct MetValues {
  std::vector<std::vector<std::int32_t>> of;  // (users), ascending
  std::vector<std::int32_t> columns;

  MetValues(const thaw::Entities& items, const thaw::Attribute& attribute,
            const std::vector<const thaw::Episode*>& episodes, std::size_t most) {
    std::vector<int> met(static_cast<std::size_t>(attribute.cardinality()), 0);
    for (const thaw::Episode* e : episodes) {
      std::vector<std::int32_t>& own = of.emplace_back();
      for (const std::int32_t item : e->support.items)
        if (item >= 0 && item < items.size())
          for (const std::int32_t value : attribute.of(item)) own.push_back(value);
      std::sort(own.begin(), own.end());
      own.erase(std::unique(own.begin(), own.end()), own.end());
      for (const std::int32_t value : own) ++met[static_cast<std::size_t>(value)];
    }
    for (std::size_t v = 0; v < met.size(); ++v)
      if (met[v] > 0) columns.push_back(static_cast<std::int32_t>(v));
    std::stable_sort(columns.begin(), columns.end(), [&](std::int32_t a, std::int32_t b) {
      return met[static_cast<std::size_t>(a)] > met[static_cast<std::size_t>(b)];
    });
    columns.resize((std::min)(columns.size(), most));
  }
  bool met(std::size_t user, std::int32_t value) const {
    return std::binary_search(of[user].begin(), of[user].end(), value);
  }
};

class Interests {
 public:
  Interests(Learner& learner, thaw::Entities& items, std::vector<const thaw::Episode*> episodes,
            std::span<const std::int32_t> candidates, const InterestOptions& options)
      : learner_(learner), items_(items), episodes_(std::move(episodes)), candidates_(candidates), options_(options) {}

  thaw::Result<InterestMap> run() {
    auto map = measured();
    learner_.attributes_changed();  // all is as it was
    return map;
  }

 private:
  thaw::Result<InterestMap> measured() {
    InterestMap map;
    map.depth = options_.depth;
    std::vector<double> ndcg;
    std::vector<std::vector<double>> shares;
    for (const thaw::Episode* e : episodes_) {
      const auto adapted = adapt(*e);
      auto full = ask_user(*adapted, *e, candidates_, options_.depth);
      if (!full) return full.fault();
      map.users.push_back(e->user);
      ndcg.push_back(full.value().ndcg);
      shares.push_back(published_shares(*adapted));
      full_.push_back(std::move(full.value()));
    }
    map.ndcg = mean_of(ndcg);
    for (std::size_t a = 0; a < items_.attributes.size(); ++a) {
      AttributeInterest& interest = map.attributes.emplace_back();
      interest.name = items_.attributes[a].name;
      for (const auto& of_user : shares)
        if (a < of_user.size()) interest.share.push_back(of_user[a]);
      const auto done = whole(items_.attributes[a], interest);
      if (!done) return done.fault();
      by_value(items_.attributes[a], interest);
    }
    std::stable_sort(map.attributes.begin(), map.attributes.end(),
                     [](const auto& x, const auto& y) { return x.mean_change > y.mean_change; });
    return map;
  }
  std::unique_ptr<Adapted> adapt(const thaw::Episode& e) const {
    return learner_.adapt(e.user, e.support, options_.steps);
  }
  thaw::Result<thaw::Done> whole(thaw::Attribute& attribute, AttributeInterest& out) {
    const Ablation ablation(attribute);
    learner_.attributes_changed();
    for (std::size_t u = 0; u < episodes_.size(); ++u) {
      const auto without = ask_user(*adapt(*episodes_[u]), *episodes_[u], candidates_, options_.depth);
      if (!without) return without.fault();
      out.change.push_back(change_of(full_[u], without.value()));
      out.lost_ndcg.push_back(full_[u].ndcg - without.value().ndcg);
    }
    out.mean_change = mean_of(out.change);
    out.mean_lost_ndcg = mean_of(out.lost_ndcg);
    return thaw::Done{};
  }
  void by_value(thaw::Attribute& attribute, AttributeInterest& out) {
    const MetValues met(items_, attribute, episodes_, options_.most_values);
    out.lift.assign(episodes_.size() * met.columns.size(), thaw::kNoData);
    std::vector<std::uint8_t> carries(candidates_.size());
    std::vector<float> scores(candidates_.size());
    for (std::size_t c = 0; c < met.columns.size(); ++c) {
      const std::int32_t value = met.columns[c];
      out.values.push_back(value < attribute.values.size() ? attribute.values.text(value) : std::to_string(value));
      for (std::size_t i = 0; i < candidates_.size(); ++i) {
        const auto own = attribute.of(candidates_[i]);
        carries[i] = std::find(own.begin(), own.end(), value) != own.end() ? 1 : 0;
      }
      const Ablation ablation(attribute, value);
      learner_.attributes_changed();
      for (std::size_t u = 0; u < episodes_.size(); ++u) {
        if (!met.met(u, value)) continue;
        adapt(*episodes_[u])->score(candidates_, scores);
        out.lift[u * met.columns.size() + c] = lift_of(full_[u], scores, carries);
      }
    }
  }

  Learner& learner_;
  thaw::Entities& items_;
  std::vector<const thaw::Episode*> episodes_;
  std::span<const std::int32_t> candidates_;
  InterestOptions options_;
  std::vector<UserInterest> full_;
};

}  // namespace detail

// `items`: those of the data set that the learner reads; unchanged afterwards. `candidates`: items of the data set,
// each once; all queries must be among them. Costs steps to adapt and to score for each user, times attributes and
// values.
inline thaw::Result<InterestMap> interest_map(Learner& learner, thaw::Entities& items,
                                              std::span<const thaw::Episode> episodes,
                                              std::span<const std::int32_t> candidates,
                                              const InterestOptions& options = {}) {
  auto shown = detail::shown_episodes(episodes, options.most_users);
  if (shown.empty() || candidates.empty())
    return thaw::make_fault(thaw::FaultKind::mismatch, "interest map: none of ", episodes.size(),
                            " episodes has both a support and a query, or there are no candidates; draw longer "
                            "histories");
  for (const std::int32_t item : candidates)
    if (item < 0 || item >= items.size())
      return thaw::make_fault(thaw::FaultKind::out_of_range, "interest map: candidate ", item, " is none of the ",
                              items.size(), " items");
  return detail::Interests(learner, items, std::move(shown), candidates, options).run();
}

}  // namespace hyperrs
