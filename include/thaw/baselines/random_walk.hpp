// RandomWalkPredictor: walks of three steps from the user over the interaction graph, P3alpha and RP3beta.
//
//   auto p3 = thaw::RandomWalkPredictor::fit(visible, {});                             // P3alpha, alpha = 1
//   auto rp3 = thaw::RandomWalkPredictor::fit(visible, {.popularity_penalty = 0.5});   // RP3beta, beta = 0.5
//   if (p3) p3.value().score_from(support_items, candidates, out);
//
//   W(i, j) = n_i^-alpha n_j^-beta  sum over users u of both items of n_u^-alpha          W(i, i) = 0
//   score(j) = sum of W(i, j) over the history items i
//
// n_i, n_j and n_u count interactions. P3alpha: Cooper et al., WWW 2014, here with powers that need no sampling;
// RP3beta: Paudel et al., TiiS 2017. Training-free, and the bar for any method on sparse data. As published the k best
// targets of each source are kept; keeping the best sources of each target is better on dense data (docs/baselines.md).
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/baselines/item_neighbours.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

class RandomWalkPredictor {
 public:
  static constexpr bool kPredictsRatings = false;

  struct Options {
    std::int32_t neighbours = 100;
    double alpha = 1;               // power of the transition probabilities
    double popularity_penalty = 0;  // beta; 0 is P3alpha
    KeepBest keep = KeepBest::of_each_source;
    int threads = 1;
  };

  static Result<RandomWalkPredictor> fit(const RatingGraph& visible, const Options& options) {
    const char* fault = detail::neighbour_settings_fault(options.neighbours, options.threads);
    if (fault != nullptr) return make_fault(FaultKind::out_of_range, "RandomWalkPredictor: ", fault);
    if (!(std::fabs(options.alpha) <= 8) || !(std::fabs(options.popularity_penalty) <= 8)) {
      return make_fault(FaultKind::out_of_range, "RandomWalkPredictor: alpha is ", options.alpha, " and beta ",
                        options.popularity_penalty, ", both must lie between -8 and 8, usually between 0 and 2");
    }
    const Result<Interactions> interactions = Interactions::from_graph(visible);
    if (!interactions) return interactions.fault();
    const Interactions& x = interactions.value();
    const std::vector<double> user_step = powers(x.by_user, -options.alpha);
    const std::vector<double> source = powers(x.by_item, -options.alpha);
    const std::vector<double> target = powers(x.by_item, -options.popularity_penalty);
    const bool row_is_source = options.keep == KeepBest::of_each_source;
    const std::vector<double>& of_row = row_is_source ? source : target;
    const std::vector<double>& of_other = row_is_source ? target : source;
    RandomWalkPredictor predictor;
    predictor.walks_ = ItemNeighbours::build(
        x.item_count(), {.most = options.neighbours, .keep = options.keep, .threads = options.threads},
        [&](std::int32_t item, NeighbourRow& row) {
          row.add_two_steps(x, item, user_step);
          for (const std::int32_t other : row.touched)
            row.sums[static_cast<std::size_t>(other)] *=
                of_row[static_cast<std::size_t>(item)] * of_other[static_cast<std::size_t>(other)];
        });
    return predictor;
  }
  static Result<RandomWalkPredictor> fit(const RatingGraph& visible) { return fit(visible, Options()); }

  std::int32_t item_count() const { return walks_.item_count(); }
  const ItemNeighbours& neighbours() const { return walks_; }
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    walks_.score_from(history, items, out);
  }

 private:
  // Degree to the given power; 0 where there is no interaction.
  static std::vector<double> powers(const IdLists& lists, double exponent) {
    std::vector<double> result(static_cast<std::size_t>(lists.rows()), 0.0);
    for (std::int32_t row = 0; row < lists.rows(); ++row) {
      const auto degree = static_cast<double>(lists.row(row).size());
      if (degree > 0) result[static_cast<std::size_t>(row)] = std::pow(degree, exponent);
    }
    return result;
  }

  ItemNeighbours walks_;
};

}  // namespace thaw::inline v0
