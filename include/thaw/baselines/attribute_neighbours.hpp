// AttributeNeighboursPredictor: k nearest neighbours by attributes, for cold users, cold items and both at once.
//
//   thaw::AttributeNeighboursPredictor knn(visible, user_attributes, item_attributes, {});
//   knn.score(user, items, out);
//
// Similarity s is the cosine of rarity-weighted attribute values. Three places where neighbours speak:
//   1. prior of a bias    p_i = sum_j s_ij w_j b_j / (sum_j s_ij w_j + c), j the k items most similar to i, w_j = n_j /
//      (n_j + damping) the trust in b_j; likewise for users. An item nobody rated starts from its director's films.
//   2. biases             damped least squares drawn to those priors instead of 0
//   3. ratings nearby     residuals e of the user's own ratings of similar items and of similar users' ratings of
//      this item, together: sum s e / (sum s + c), the k most similar of either kind
//   rating(u, i) = mu + b_u + b_i + (3). With no neighbour anywhere it is the bias predictor, with no ratings mu.
// A side without attributes passes an empty span. It keeps a reference to the graph. Nothing in it is tuned.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/baselines/user_item_bias.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/attribute_profiles.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw::inline v0 {

class AttributeNeighboursPredictor {
 public:
  static constexpr bool kPredictsRatings = true;

  struct Options {
    std::int32_t prior_neighbours = 50;   // k of (1)
    std::int32_t rating_neighbours = 30;  // k of (3), for either kind
    double prior_shrinkage = 1;           // c of (1), in units of similarity
    double rating_shrinkage = 5;          // c of (3)
    BiasOptions bias;
  };

  AttributeNeighboursPredictor(const RatingGraph& visible, std::span<const AttributeView> user_attributes,
                               std::span<const AttributeView> item_attributes, const Options& options)
      : visible_(visible),
        options_(options),
        users_(user_attributes, ValueWeight::rarity),
        items_(item_attributes, ValueWeight::rarity) {
    require(user_attributes.empty() || users_.size() == visible.user_count(),
            "AttributeNeighboursPredictor: ", users_.size(), " users have attributes, the graph has ",
            visible.user_count());
    require(item_attributes.empty() || items_.size() == visible.item_count(),
            "AttributeNeighboursPredictor: ", items_.size(), " items have attributes, the graph has ",
            visible.item_count());
    const RatingBiases plain = fit_biases(visible, options.bias);
    const auto user_priors = priors(users_, visible.by_user, plain.user, options.bias.user_damping);
    const auto item_priors = priors(items_, visible.by_item, plain.item, options.bias.item_damping);
    biases_ = fit_biases(visible, options.bias, user_priors, item_priors);
  }
  AttributeNeighboursPredictor(const RatingGraph& visible, std::span<const AttributeView> user_attributes,
                               std::span<const AttributeView> item_attributes)
      : AttributeNeighboursPredictor(visible, user_attributes, item_attributes, Options()) {}

  // A temporary graph would be gone before the first score.
  AttributeNeighboursPredictor(RatingGraph&&, std::span<const AttributeView>, std::span<const AttributeView>) = delete;
  AttributeNeighboursPredictor(RatingGraph&&, std::span<const AttributeView>, std::span<const AttributeView>,
                               const Options&) = delete;

  const RatingBiases& biases() const { return biases_; }

  // out[i] = predicted rating of items[i], not clipped to the scale.
  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "AttributeNeighboursPredictor: room for ", out.size(), " of ", items.size(),
            " items");
    std::vector<Neighbour> near;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::int32_t item = items[i];
      double sum = 0;
      double weight = options_.rating_shrinkage;
      if (items_.size() > 0) {
        near.clear();
        for (const Csr::Edge& edge : visible_.by_user.row(user))
          if (edge.column != item)
            near.push_back(
                {edge.column, items_.similarity(item, edge.column), residual(user, edge.column, edge.value)});
        add_nearest(near, sum, weight);
      }
      if (users_.size() > 0) {
        near.clear();
        for (const Csr::Edge& edge : visible_.by_item.row(item))
          if (edge.column != user)
            near.push_back(
                {edge.column, users_.similarity(user, edge.column), residual(edge.column, item, edge.value)});
        add_nearest(near, sum, weight);
      }
      out[i] = static_cast<float>(base(user, item) + (weight > 0 ? sum / weight : 0.0));
    }
  }

 private:
  struct Neighbour {
    std::int32_t id;
    float similarity;
    double value;  // a residual, or a bias
    double trust = 1;
  };

  double base(std::int32_t user, std::int32_t item) const {
    return biases_.mean + biases_.user[static_cast<std::size_t>(user)] + biases_.item[static_cast<std::size_t>(item)];
  }
  double residual(std::int32_t user, std::int32_t item, float rating) const {
    return static_cast<double>(rating) - base(user, item);
  }
  // Keeps the k most similar; of equally similar ones those with the lower ids, which carry no rating.
  static void keep_nearest(std::vector<Neighbour>& near, std::int32_t k) {
    const auto most = static_cast<std::size_t>(k);
    if (near.size() <= most) return;
    std::nth_element(near.begin(), near.begin() + k, near.end(), [](const Neighbour& a, const Neighbour& b) {
      return a.similarity != b.similarity ? a.similarity > b.similarity : a.id < b.id;
    });
    near.resize(most);
  }
  void add_nearest(std::vector<Neighbour>& near, double& sum, double& weight) const {
    keep_nearest(near, options_.rating_neighbours);
    for (const Neighbour& neighbour : near) {
      sum += static_cast<double>(neighbour.similarity) * neighbour.value;
      weight += static_cast<double>(neighbour.similarity);
    }
  }
  // (1) for all entities of a side; empty without attributes. Only entities with ratings are neighbours.
  std::vector<double> priors(const AttributeProfiles& profiles, const Csr& rows, const std::vector<double>& biases,
                             double damping) const {
    if (profiles.size() == 0) return {};
    const auto count = static_cast<std::size_t>(profiles.size());
    std::vector<double> result(count, 0.0);
    std::vector<float> similarity(count);
    std::vector<Neighbour> near;
    for (std::size_t entity = 0; entity < count; ++entity) {
      profiles.similarities(static_cast<std::int32_t>(entity), similarity);
      near.clear();
      for (std::size_t other = 0; other < count; ++other) {
        const auto ratings = static_cast<double>(rows.row(static_cast<std::int32_t>(other)).size());
        if (other == entity || similarity[other] <= 0 || ratings == 0) continue;
        near.push_back(
            {static_cast<std::int32_t>(other), similarity[other], biases[other], ratings / (ratings + damping)});
      }
      keep_nearest(near, options_.prior_neighbours);
      double sum = 0;
      double weight = options_.prior_shrinkage;
      for (const Neighbour& neighbour : near) {
        const double w = static_cast<double>(neighbour.similarity) * neighbour.trust;
        sum += w * neighbour.value;
        weight += w;
      }
      if (weight > 0) result[entity] = sum / weight;
    }
    return result;
  }

  const RatingGraph& visible_;
  Options options_;
  AttributeProfiles users_;
  AttributeProfiles items_;
  RatingBiases biases_;
};

}  // namespace thaw::inline v0
