// attribute_priors: what attributes say of an entity's bias, learnt from those with ratings by ridge regression.
//
//   auto priors = thaw::attribute_priors(item_attributes, visible.by_item, biases.item, {});
//   auto better = thaw::fit_biases(visible, {}, user_priors, priors);      // draws unrated items to their attributes
//
// prior_e = sum over the values v of entity e of w_v, where the weights minimise
//   sum over entities of t_e (b_e - prior_e)^2 + c * sum w_v^2,   t_e = n_e / (n_e + damping) the trust in a bias
// by cyclic exact steps over the values. A value that one film alone has hardly moves; a director of many does.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/attribute_view.hpp"
#include "thaw/graph/csr.hpp"

namespace thaw::inline v0 {

struct AttributePriorOptions {
  double shrinkage = 8;  // c, in entities
  double damping = 10;   // ratings for half the trust
  std::int32_t sweeps = 20;
};

namespace detail {

// Entities by value, over all attributes of one side.
struct ValueLists {
  std::vector<std::vector<std::int32_t>> entities;

  explicit ValueLists(std::span<const AttributeView> attributes) {
    for (const AttributeView& a : attributes) {
      const std::size_t first = entities.size();
      entities.resize(first + static_cast<std::size_t>(a.cardinality));
      for (std::int32_t e = 0; e < a.size(); ++e)
        for (const std::int32_t v : a.of(e)) entities[first + static_cast<std::size_t>(v)].push_back(e);
    }
  }
};

}  // namespace detail

// One prior an entity (rows.rows() of them), also for entities without ratings. `biases` are those fitted without
// priors. Errors: attributes of another number of entities.
inline std::vector<double> attribute_priors(std::span<const AttributeView> attributes, const Csr& rows,
                                            std::span<const double> biases, const AttributePriorOptions& options = {}) {
  const auto count = static_cast<std::size_t>(rows.rows());
  std::vector<double> prior(count, 0.0), trust(count);
  for (const AttributeView& a : attributes)
    require(a.size() == rows.rows(), "attribute_priors: ", a.size(), " entities have attributes, the graph has ",
            rows.rows());
  for (std::size_t e = 0; e < count; ++e) {
    const auto n = static_cast<double>(rows.row(static_cast<std::int32_t>(e)).size());
    trust[e] = n / (n + options.damping);
  }
  const detail::ValueLists values(attributes);
  std::vector<double> weight(values.entities.size(), 0.0);
  for (std::int32_t sweep = 0; sweep < options.sweeps; ++sweep)
    for (std::size_t v = 0; v < weight.size(); ++v) {
      double sum = 0, total = options.shrinkage;
      for (const std::int32_t entity : values.entities[v]) {
        const auto e = static_cast<std::size_t>(entity);
        sum += trust[e] * (biases[e] - prior[e] + weight[v]);
        total += trust[e];
      }
      const double moved = sum / total - weight[v];
      weight[v] += moved;
      for (const std::int32_t entity : values.entities[v]) prior[static_cast<std::size_t>(entity)] += moved;
    }
  return prior;
}

}  // namespace thaw::inline v0
