// NegativeSampler: items that a user did not touch, drawn uniformly or by popularity to a power.
//
//   const thaw::NegativeSampler uniform(interactions);
//   auto popular = thaw::NegativeSampler::by_popularity(interactions, 0.75);
//   std::int32_t item = uniform.draw(user, rng);        // never one of the user's own; -1 if she touched them all
//
// Popularity to the power 0.75 is the noise distribution of Mikolov et al. (NIPS 2013). Draws are rejected until one is
// not the user's. Keeps a reference to the interactions, which must outlive it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/graph/alias_table.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

class NegativeSampler {
 public:
  // Every item alike.
  explicit NegativeSampler(const Interactions& interactions) : x_(&interactions) {}
  // In proportion to the interactions of an item to the given power; items without interactions are never drawn.
  static Result<NegativeSampler> by_popularity(const Interactions& interactions, double power = 0.75) {
    if (!(power >= 0) || power > 4)
      return make_fault(FaultKind::out_of_range, "NegativeSampler: the power is ", power, ", must lie between 0 and 4");
    std::vector<double> weights(static_cast<std::size_t>(interactions.item_count()), 0.0);
    for (std::int32_t item = 0; item < interactions.item_count(); ++item) {
      const auto degree = static_cast<double>(interactions.by_item.row(item).size());
      if (degree > 0) weights[static_cast<std::size_t>(item)] = std::pow(degree, power);
    }
    Result<AliasTable> table = AliasTable::from_weights(weights);
    if (!table) return table.fault();
    NegativeSampler sampler(interactions);
    sampler.table_ = std::move(table.value());
    return sampler;
  }

  // An item that the user did not touch, or -1 after 1,000 draws without one.
  std::int32_t draw(std::int32_t user, Philox& rng) const {
    const auto own = x_->by_user.row(user);
    for (int trial = 0; trial < 1000; ++trial) {
      const std::int32_t item =
          table_.size() > 0 ? table_.draw(rng)
                            : static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(x_->item_count())));
      if (!std::binary_search(own.begin(), own.end(), item)) return item;
    }
    return -1;
  }

 private:
  const Interactions* x_;
  AliasTable table_;  // empty: uniform
};

}  // namespace thaw::inline v0
