// The bar: what counting, neighbours and a linear model do for the same new users.
//
//   auto scores = hyperrs::score_simple_methods(world, scenarios, /*threads*/ 1);
//   for (const hyperrs::SimpleScore& s : scores.value().methods) table.add_row(s.name, s.table);
//
// A setting is chosen once for all warm scenarios, and once for all cold ones, on the validation users of the middle
// one, by the metric that chooses models as well; the name says which. On cold items item-kNN, walks and EASE know
// nothing (every score would be 0) and are left out: there attribute overlap and the popularity of an item's attribute
// values are the bar. A method that cannot be fitted (a catalogue too large for EASE) is left out with a note.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hyperrs/held_out.hpp"
#include "thaw/baselines/attribute_overlap.hpp"
#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/baselines/user_item_bias.hpp"
#include "thaw/train/text.hpp"

namespace hyperrs {

struct SimpleScore {
  std::string name;
  std::size_t scenario;  // of those given
  thaw::MetricTable table;
};
struct SimpleScores {
  std::vector<SimpleScore> methods;
  std::vector<std::string> left_out;  // "EASE: why"
};

// Mean over an item's attribute values of the training records per known item that has the value.
class AttributePopularity {
 public:
  AttributePopularity(const thaw::Entities& items, const thaw::Csr& by_item)
      : scores_(static_cast<std::size_t>(items.size()), 0.0F) {
    for (const thaw::Attribute& attribute : items.attributes) {
      std::vector<double> records(static_cast<std::size_t>(attribute.cardinality()), 0.0), known = records;
      for (std::int32_t i = 0; i < items.size(); ++i) {
        const std::size_t count = by_item.row(i).size();
        for (const std::int32_t v : attribute.of(i)) {
          records[static_cast<std::size_t>(v)] += static_cast<double>(count);
          known[static_cast<std::size_t>(v)] += count > 0 ? 1 : 0;
        }
      }
      for (std::int32_t i = 0; i < items.size(); ++i) {
        double sum = 0;
        for (const std::int32_t v : attribute.of(i)) {
          const auto at = static_cast<std::size_t>(v);
          if (known[at] > 0) sum += records[at] / known[at];
        }
        if (!attribute.of(i).empty())
          scores_[static_cast<std::size_t>(i)] += static_cast<float>(sum / static_cast<double>(attribute.of(i).size()));
      }
    }
  }
  std::int32_t item_count() const { return static_cast<std::int32_t>(scores_.size()); }
  void score_from(std::span<const std::int32_t>, std::span<const std::int32_t> items, std::span<float> out) const {
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = scores_[static_cast<std::size_t>(items[i])];
  }

 private:
  std::vector<float> scores_;
};

// EASE over the items that training users have records of alone: its memory grows with the square of their number.
class KnownItemsEase {
 public:
  static thaw::Result<KnownItemsEase> fit(const thaw::RatingGraph& train, const thaw::EasePredictor::Options& options) {
    KnownItemsEase made;
    made.place_.assign(static_cast<std::size_t>(train.item_count()), -1);
    std::int32_t count = 0;
    for (std::int32_t i = 0; i < train.item_count(); ++i)
      if (!train.by_item.row(i).empty()) made.place_[static_cast<std::size_t>(i)] = count++;
    std::vector<thaw::Rating> records;
    for (std::int32_t u = 0; u < train.user_count(); ++u)
      for (const auto& edge : train.by_user.row(u))
        records.push_back({u, made.place_[static_cast<std::size_t>(edge.column)], edge.value});
    auto ease = thaw::EasePredictor::fit(thaw::RatingGraph::from_ratings(records, train.user_count(), count), options);
    if (!ease) return ease.fault();
    made.ease_.emplace(std::move(ease.value()));
    return made;
  }
  std::int32_t item_count() const { return static_cast<std::int32_t>(place_.size()); }
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    const std::vector<std::int32_t> seen = places(history), asked = places(items);
    std::vector<float> scores(asked.size());
    ease_->score_from(seen, asked, scores);
    std::fill(out.begin(), out.end(), 0.0F);
    for (std::size_t i = 0, at = 0; i < items.size(); ++i)
      if (place_[static_cast<std::size_t>(items[i])] >= 0) out[i] = scores[at++];
  }

 private:
  std::vector<std::int32_t> places(std::span<const std::int32_t> items) const {
    std::vector<std::int32_t> places;
    for (const std::int32_t i : items)
      if (place_[static_cast<std::size_t>(i)] >= 0) places.push_back(place_[static_cast<std::size_t>(i)]);
    return places;
  }

  std::vector<std::int32_t> place_;  // (items), -1: no record
  std::optional<thaw::EasePredictor> ease_;
};

namespace detail {

inline std::string number_text(double value) { return thaw::significant_text(value, 4); }

// What a grid tries; `text` is what the table says of the chosen one.
struct NeighbourSetting {
  double shrinkage;
  int neighbours;
  std::string text() const { return "shrinkage " + number_text(shrinkage) + ", " + std::to_string(neighbours); }
};
struct WalkSetting {
  double alpha, beta;
  thaw::KeepBest keep;
  std::string text() const {
    return "alpha " + number_text(alpha) + (beta > 0 ? ", beta " + number_text(beta) : "") +
           (keep == thaw::KeepBest::of_each_source ? ", best targets" : ", best sources");
  }
};
inline std::string setting_text(double lambda) { return "lambda " + number_text(lambda); }
inline std::string setting_text(thaw::ValueWeight weight) {
  return weight == thaw::ValueWeight::rarity ? "rare values weigh more" : "equal weights";
}
template <class Setting>
std::string setting_text(const Setting& setting) {
  return setting.text();
}
inline std::vector<WalkSetting> walks(const std::vector<double>& betas) {
  std::vector<WalkSetting> grid;
  for (const double beta : betas)
    for (const double alpha : {0.4, 0.6, 0.8, 1.0, 1.4})
      for (const thaw::KeepBest keep : {thaw::KeepBest::of_each_source, thaw::KeepBest::of_each_target})
        grid.push_back({alpha, beta, keep});
  return grid;
}
inline std::vector<NeighbourSetting> neighbourhoods() {
  std::vector<NeighbourSetting> grid;
  for (const double shrinkage : {0.0, 5.0, 20.0, 100.0, 300.0})
    for (const int neighbours : {50, 200, 1000}) grid.push_back({shrinkage, neighbours});
  return grid;
}

// Fits, chooses and scores on the scenarios of one item set.
class SimpleMethods {
 public:
  SimpleMethods(const World& world, std::span<const Scenario> all, thaw::ItemSet set, int threads)
      : train_(world.train), data_(*world.data), all_(all), set_(set), threads_(threads) {
    for (std::size_t s = 0; s < all.size(); ++s)
      if (all[s].items == set) mine_.push_back(s);
  }
  bool empty() const { return mine_.empty(); }

  void rank() {
    add("random", thaw::RandomPredictor({.seed = 1}));
    if (set_ == thaw::ItemSet::known) rank_known();
    rank_by_attributes();
  }
  void predict_ratings() {
    const thaw::RatingBiases both = thaw::fit_biases(train_, {});
    const double mean = train_.mean(0.5 * static_cast<double>(data_.lowest + data_.highest));
    predict("mean rating", [&](const thaw::Episode&, std::int32_t) { return mean; });
    predict("item mean", [&](const thaw::Episode&, std::int32_t item) {
      double sum = 5 * mean;  // damped as the biases are
      const auto row = train_.by_item.row(item);
      for (const auto& edge : row) sum += static_cast<double>(edge.value);
      return sum / (5 + static_cast<double>(row.size()));
    });
    predict("item mean + user bias", [&](const thaw::Episode& e, std::int32_t item) {
      double sum = 0;
      for (std::size_t i = 0; i < e.support.items.size(); ++i)
        sum +=
            static_cast<double>(e.support.labels[i]) - mean - both.item[static_cast<std::size_t>(e.support.items[i])];
      return mean + both.item[static_cast<std::size_t>(item)] + sum / (5 + static_cast<double>(e.support.items.size()));
    });
  }

  SimpleScores scores;
  std::optional<thaw::Fault> fault;  // of an evaluation: what is asked is wrong, not a method

 private:
  void rank_known() {
    add("popularity", thaw::PopularityPredictor(train_.by_item));
    choose<NeighbourSetting>("item-kNN", neighbourhoods(), [&](const NeighbourSetting& setting) {
      return thaw::ItemKnnPredictor::fit(
          train_, {.neighbours = setting.neighbours, .shrinkage = setting.shrinkage, .threads = threads_});
    });
    const auto walk = [&](const WalkSetting& setting) {
      thaw::RandomWalkPredictor::Options o;
      o.alpha = setting.alpha;
      o.popularity_penalty = setting.beta;
      o.keep = setting.keep;
      o.threads = threads_;
      return thaw::RandomWalkPredictor::fit(train_, o);
    };
    choose<WalkSetting>("P3alpha", walks({0}), walk);
    choose<WalkSetting>("RP3beta", walks({0.1, 0.2, 0.4, 0.6, 0.8}), walk);
    choose<double>("EASE", {20, 50, 100, 200, 500, 1000, 2000}, [&](double lambda) {
      return KnownItemsEase::fit(train_, {.regularization = lambda, .most_items = 16'000, .threads = threads_});
    });
  }
  void rank_by_attributes() {
    std::vector<thaw::AttributeView> views;
    for (const thaw::Attribute& a : data_.items.attributes) views.push_back({a.offsets, a.ids, a.cardinality()});
    if (views.empty()) {
      scores.left_out.push_back("attribute overlap: the items have no attributes");
      return;
    }
    if (set_ == thaw::ItemSet::cold) add("attribute popularity", AttributePopularity(data_.items, train_.by_item));
    choose<thaw::ValueWeight>("attribute overlap", {thaw::ValueWeight::rarity, thaw::ValueWeight::equal},
                              [&](thaw::ValueWeight weight) -> thaw::Result<thaw::AttributeOverlapPredictor> {
                                return thaw::AttributeOverlapPredictor(views, weight);
                              });
  }
  // The setting that is best on validation users.
  template <class Setting, class Fit>
  void choose(const char* name, const std::vector<Setting>& settings, const Fit& fit) {
    double best = -1;
    std::optional<decltype(fit(settings[0]))> chosen;
    std::string text = name;
    for (const Setting& value : settings) {
      auto fitted = fit(value);
      if (!fitted) {
        scores.left_out.push_back(std::string(name) + ": " + fitted.fault().text);
        return;
      }
      const auto table = all_[mine_[mine_.size() / 2]].validation.rank(fitted.value());
      if (!table) return void(fault = table.fault());
      const double score = table.value().mean(deciding_metric(Objective::ranking));
      if (score <= best) continue;
      best = score;
      text = std::string(name) + " (" + setting_text(value) + ")";
      chosen.emplace(std::move(fitted));
    }
    if (chosen) add(text, chosen->value());
  }
  template <class Scorer>
  void add(const std::string& name, const Scorer& scorer) {
    for (const std::size_t s : mine_) {
      auto table = all_[s].test.rank(scorer);
      if (!table) return void(fault = table.fault());
      scores.methods.push_back({name, s, std::move(table.value())});
    }
  }
  // rating(episode, item), kept inside the scale.
  template <class Rating>
  void predict(const char* name, const Rating& rating) {
    for (const std::size_t s : mine_)
      scores.methods.push_back({name, s, all_[s].test.errors([&](const thaw::Episode& e, std::span<float> out) {
                                  for (std::size_t i = 0; i < out.size(); ++i)
                                    out[i] = (std::clamp)(static_cast<float>(rating(e, e.query.items[i])), data_.lowest,
                                                          data_.highest);
                                })});
  }

  const thaw::RatingGraph& train_;
  const thaw::Dataset& data_;
  std::span<const Scenario> all_;
  thaw::ItemSet set_;
  int threads_;
  std::vector<std::size_t> mine_;
};

}  // namespace detail

// Methods in the order of their names, each on every scenario where it has a say.
inline thaw::Result<SimpleScores> score_simple_methods(const World& world, std::span<const Scenario> scenarios,
                                                       int threads) {
  SimpleScores found;
  for (const thaw::ItemSet set : {thaw::ItemSet::known, thaw::ItemSet::cold}) {
    detail::SimpleMethods methods(world, scenarios, set, threads);
    if (methods.empty()) continue;
    if (world.objective == Objective::rating)
      methods.predict_ratings();
    else
      methods.rank();
    if (methods.fault) return *methods.fault;
    for (SimpleScore& score : methods.scores.methods) found.methods.push_back(std::move(score));
    for (std::string& note : methods.scores.left_out)
      if (std::find(found.left_out.begin(), found.left_out.end(), note) == found.left_out.end())
        found.left_out.push_back(std::move(note));
  }
  return found;
}

}  // namespace hyperrs
