// Evidence: what simple methods say about every item, given a user's support; the features that a learner starts from.
//
//   hyperrs::Evidence evidence(world, {.folds = 4});
//   evidence.fill(fold, support_items, out);          // out (Evidence::kCount, items)
//
// EASE, a random walk with a popularity penalty (RP3beta), item neighbours and popularity, each brought to mean 0 and
// variance 1 over the known items, so that numbers mean the same for any support and data set. For a training user the
// methods are fitted without her part of the users (cross-fitting): otherwise they would have seen her answers. A
// catalogue that is too large for EASE goes without it. Not a recommender: a learner weighs these.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "hyperrs/learner.hpp"
#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/core/random.hpp"

namespace hyperrs {

struct EvidenceOptions {
  int folds = 4;
  double regularization = 500;
  double popularity_penalty = 0.4;
  std::int32_t neighbours = 200;
  std::int32_t most_items = 12'000;  // of EASE, whose memory is 4 bytes x items^2 a fold
  int threads = 1;
};

class Evidence {
 public:
  static constexpr int kCount = 6;      // EASE, walks, their logarithm, neighbours, their logarithm, popularity
  static constexpr int kEveryone = -1;  // the fold of a user who is not in training

  Evidence(const World& world, const EvidenceOptions& options)
      : items_(world.train.item_count()), folds_(options.folds), world_users_(world.train.user_count()) {
    for (int fold = kEveryone; fold < folds_; ++fold) methods_.push_back(fit(world, options, fold));
    log_popularity_.resize(static_cast<std::size_t>(items_));
    for (std::int32_t i = 0; i < items_; ++i) {
      const std::size_t records = world.train.by_item.row(i).size();
      log_popularity_[static_cast<std::size_t>(i)] = std::log1p(static_cast<float>(records));
      if (records > 0) known_.push_back(i);
    }
    everything_.resize(static_cast<std::size_t>(items_));
    for (std::int32_t i = 0; i < items_; ++i) everything_[static_cast<std::size_t>(i)] = i;
    has_records_.resize(static_cast<std::size_t>(world_users_));
    for (std::int32_t u = 0; u < world_users_; ++u)
      has_records_[static_cast<std::size_t>(u)] = !world.train.by_user.row(u).empty();
  }

  std::int32_t items() const { return items_; }
  // Items with training records, ascending.
  std::span<const std::int32_t> known() const { return known_; }
  // The fold to ask for a training user's own items; kEveryone for anyone else.
  int fold_of(std::int32_t user) const {
    if (user < 0 || user >= world_users_ || !has_records_[static_cast<std::size_t>(user)]) return kEveryone;
    return fold_by_hash(user, folds_);
  }

  // out (kCount, items). Items that do not exist or come twice are left out of the support.
  void fill(int fold, std::span<const std::int32_t> support, std::span<float> out) const {
    std::vector<std::int32_t> history;
    for (const std::int32_t item : support)
      if (item >= 0 && item < items_) history.push_back(item);
    std::sort(history.begin(), history.end());
    history.erase(std::unique(history.begin(), history.end()), history.end());
    const auto n = static_cast<std::size_t>(items_);
    const Methods& m = methods_[static_cast<std::size_t>(fold + 1)];
    const auto part = [&](int row) { return out.subspan(static_cast<std::size_t>(row) * n, n); };
    if (m.ease)
      m.ease->score_from(history, everything_, part(0));
    else
      std::fill(part(0).begin(), part(0).end(), 0.0F);
    m.walks->score_from(history, everything_, part(1));
    m.neighbours->score_from(history, everything_, part(3));
    for (const int row : {1, 3}) logarithm(part(row), part(row + 1));
    std::copy(log_popularity_.begin(), log_popularity_.end(), part(5).begin());
    for (int row = 0; row < kCount; ++row) standardise(part(row));
  }

 private:
  struct Methods {
    std::optional<thaw::EasePredictor> ease;
    std::optional<thaw::RandomWalkPredictor> walks;
    std::optional<thaw::ItemKnnPredictor> neighbours;
  };

  static int fold_by_hash(std::int32_t user, int folds) {
    const std::uint64_t bits = thaw::Key{0x666f6c64}.fold(static_cast<std::uint64_t>(user)).bits;
    return static_cast<int>(bits % static_cast<std::uint64_t>(folds));
  }
  static Methods fit(const World& world, const EvidenceOptions& options, int fold) {
    std::vector<thaw::Rating> kept;
    for (std::int32_t u = 0; u < world.train.user_count(); ++u) {
      if (fold != kEveryone && fold_by_hash(u, options.folds) == fold) continue;
      for (const auto& edge : world.train.by_user.row(u)) kept.push_back({u, edge.column, edge.value});
    }
    const auto graph = thaw::RatingGraph::from_ratings(kept, world.train.user_count(), world.train.item_count());
    Methods m;
    if (world.train.item_count() <= options.most_items && !kept.empty()) {
      auto ease =
          thaw::EasePredictor::fit(graph, {.regularization = options.regularization, .threads = options.threads});
      if (ease) m.ease = std::move(ease.value());
    }
    auto walks = thaw::RandomWalkPredictor::fit(graph, {.neighbours = options.neighbours,
                                                        .popularity_penalty = options.popularity_penalty,
                                                        .keep = thaw::KeepBest::of_each_target,
                                                        .threads = options.threads});
    auto neighbours =
        thaw::ItemKnnPredictor::fit(graph, {.neighbours = options.neighbours, .threads = options.threads});
    thaw::require(walks.ok() && neighbours.ok(), "Evidence: the training records cannot be counted");
    m.walks = std::move(walks.value());
    m.neighbours = std::move(neighbours.value());
    return m;
  }

  // log(x / mean + 0.1): a walk's mass falls over orders of magnitude.
  void logarithm(std::span<const float> from, std::span<float> to) const {
    double sum = 0;
    for (const std::int32_t i : known_) sum += static_cast<double>(from[static_cast<std::size_t>(i)]);
    const float mean = known_.empty() ? 0.0F : static_cast<float>(sum / static_cast<double>(known_.size()));
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = mean > 0 ? std::log(from[i] / mean + 0.1F) : 0.0F;
  }
  void standardise(std::span<float> x) const {
    double sum = 0, squares = 0;
    for (const std::int32_t i : known_) {
      const auto v = static_cast<double>(x[static_cast<std::size_t>(i)]);
      sum += v, squares += v * v;
    }
    const double n = (std::max)(1.0, static_cast<double>(known_.size())), mean = sum / n;
    const double deviation = std::sqrt((std::max)(0.0, squares / n - mean * mean));
    const double factor = deviation > 1e-12 ? 1 / deviation : 0;
    for (float& v : x) v = static_cast<float>((static_cast<double>(v) - mean) * factor);
  }

  std::int32_t items_;
  int folds_;
  std::int32_t world_users_;
  std::vector<Methods> methods_;  // of everyone, then of each fold
  std::vector<float> log_popularity_;
  std::vector<std::int32_t> known_, everything_;
  std::vector<std::uint8_t> has_records_;
};

}  // namespace hyperrs
