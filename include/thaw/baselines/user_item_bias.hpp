// UserItemBiasPredictor: global mean + item bias + user bias, by damped least squares.
//
//   thaw::UserItemBiasPredictor bias(visible, {});
//   bias.score(user, items, out);
//
// rating(u, i) = mu + b_u + b_i, where the biases minimise
//   sum over visible ratings of (r - mu - b_u - b_i)^2 + c_u * sum b_u^2 + c_i * sum b_i^2
// by alternating exact sweeps, items first. One sweep is the textbook pair of damped means. A user's bias moves all
// his predictions alike: it changes errors, never the order of his list. A cold user's support ratings set his bias.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/rating_graph.hpp"

namespace thaw::inline v0 {

// mu, b_u and b_i. Priors (what a bias is drawn to, 0 for none) let attributes speak for entities without ratings.
struct RatingBiases {
  double mean = 0;
  std::vector<double> user;  // (users)
  std::vector<double> item;  // (items)
};

struct BiasOptions {
  double user_damping = 5;  // c_u: as many ratings as the prior is worth
  double item_damping = 5;  // c_i
  std::int32_t sweeps = 10;
  double without_ratings = 3;  // mu when nothing is visible at all
};

namespace detail {

// b_e = (sum over the row of (r - mu - other) + damping * prior_e) / (row length + damping)
inline void sweep_biases(const Csr& rows, double mean, const std::vector<double>& other,
                         const std::vector<double>& priors, double damping, std::vector<double>& biases) {
  for (std::int32_t row = 0; row < rows.rows(); ++row) {
    const auto r = static_cast<std::size_t>(row);
    double sum = priors.empty() ? 0.0 : damping * priors[r];
    const auto edges = rows.row(row);
    for (const Csr::Edge& edge : edges)
      sum += static_cast<double>(edge.value) - mean - other[static_cast<std::size_t>(edge.column)];
    biases[r] = sum / (static_cast<double>(edges.size()) + damping);
  }
}

}  // namespace detail

// Fits the biases. `user_priors` and `item_priors` are empty (zeros) or have one entry an entity.
inline RatingBiases fit_biases(const RatingGraph& visible, const BiasOptions& options,
                               const std::vector<double>& user_priors = {},
                               const std::vector<double>& item_priors = {}) {
  require(options.user_damping > 0 && options.item_damping > 0 && options.sweeps > 0,
          "fit_biases: dampings and sweeps must be positive");
  RatingBiases biases;
  biases.mean = visible.mean(options.without_ratings);
  biases.user.assign(static_cast<std::size_t>(visible.user_count()), 0.0);
  biases.item.assign(static_cast<std::size_t>(visible.item_count()), 0.0);
  if (!user_priors.empty()) biases.user = user_priors;
  for (std::int32_t sweep = 0; sweep < options.sweeps; ++sweep) {
    detail::sweep_biases(visible.by_item, biases.mean, biases.user, item_priors, options.item_damping, biases.item);
    detail::sweep_biases(visible.by_user, biases.mean, biases.item, user_priors, options.user_damping, biases.user);
  }
  return biases;
}

class UserItemBiasPredictor {
 public:
  static constexpr bool kPredictsRatings = true;

  explicit UserItemBiasPredictor(const RatingGraph& visible, const BiasOptions& options = {})
      : biases_(fit_biases(visible, options)) {}

  const RatingBiases& biases() const { return biases_; }

  // out[i] = predicted rating of items[i]; not clipped to the scale, so that ties do not appear at its ends.
  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(items.size() == out.size(), "UserItemBiasPredictor: room for ", out.size(), " of ", items.size(), " items");
    const double base = biases_.mean + biases_.user[static_cast<std::size_t>(user)];
    for (std::size_t i = 0; i < items.size(); ++i)
      out[i] = static_cast<float>(base + biases_.item[static_cast<std::size_t>(items[i])]);
  }

 private:
  RatingBiases biases_;
};

}  // namespace thaw::inline v0
