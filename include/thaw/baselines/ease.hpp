// EasePredictor: a linear item-to-item model fitted in closed form, EASE^R (Steck, WWW 2019).
//
//   auto ease = thaw::EasePredictor::fit(visible, {.regularization = 500});
//   if (ease) ease.value().score_from(support_items, candidates, out);
//
//   P = (X^T X + lambda I)^-1     B(i, j) = -P(i, j) / P(j, j), B(j, j) = 0     score(j) = sum of B(i, j), i in history
//
// X is the binary matrix of users and items: B minimises |X - X B|^2 + lambda |B|^2 with a zero diagonal. Usually the
// strongest simple method where every item has a few dozen interactions. Memory: 4 bytes x items^2 (55 MB for 3,700
// items, 2.5 GB for the default limit of 25,000), plus 2 KB an item while fitting. Time: items^3 operations, under a
// second for 3,700 items and 7 s for 8,000 on one thread of a current core. Not for catalogues of a hundred thousand:
// random_walk.hpp is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/backend/symmetric_inverse.hpp"
#include "thaw/baselines/history_scorer.hpp"
#include "thaw/core/error.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

class EasePredictor {
 public:
  static constexpr bool kPredictsRatings = false;

  struct Options {
    double regularization = 500;       // lambda, in interactions; 100 to 1000 suit most data
    std::int32_t most_items = 25'000;  // more is a fault: the matrix would take 4 bytes x items^2
    int threads = 1;
  };

  static Result<EasePredictor> fit(const RatingGraph& visible, const Options& options) {
    if (!(options.regularization > 0) || options.regularization > 1e12 || options.threads < 1) {
      return make_fault(FaultKind::out_of_range, "EasePredictor: regularization is ", options.regularization, " and ",
                        options.threads, " threads; both must be positive, the first is usually 100 to 1000");
    }
    if (visible.item_count() > options.most_items) {
      return make_fault(FaultKind::out_of_range, "EasePredictor: ", visible.item_count(), " items need ",
                        std::int64_t{4} * visible.item_count() * visible.item_count() / 1'000'000,
                        " MB; raise most_items (now ", options.most_items,
                        ") if that is wanted, or use RandomWalkPredictor");
    }
    const Result<Interactions> interactions = Interactions::from_graph(visible);
    if (!interactions) return interactions.fault();
    EasePredictor predictor;
    predictor.items_ = visible.item_count();
    predictor.count_pairs(interactions.value(), options);
    const Index n = predictor.items_;
    std::vector<float> scratch(static_cast<std::size_t>(invert_positive_definite_scratch<float>(n, options.threads)));
    if (!invert_positive_definite(detect_isa(), n, predictor.weights_.data(), scratch.data(), options.threads)) {
      return make_fault(FaultKind::out_of_range, "EasePredictor: with regularization ", options.regularization,
                        " the matrix is singular in single precision; raise it");
    }
    predictor.divide_columns();
    return predictor;
  }
  static Result<EasePredictor> fit(const RatingGraph& visible) { return fit(visible, Options()); }

  std::int32_t item_count() const { return items_; }
  // B(source, .), (items)
  std::span<const float> row(std::int32_t source) const {
    return {weights_.data() + static_cast<std::size_t>(source) * static_cast<std::size_t>(items_),
            static_cast<std::size_t>(items_)};
  }

  // Safe from many threads; allocates nothing.
  void score_from(std::span<const std::int32_t> history, std::span<const std::int32_t> items,
                  std::span<float> out) const {
    detail::check_history("EasePredictor", items_, history, items, out);
    for (float& score : out) score = 0;
    const bool one_range = is_range(items);
    const Isa isa = detect_isa();
    for (const std::int32_t source : history) {
      const float* from = row(source).data();
      if (one_range) {
        zip<Sum>(isa, static_cast<Index>(items.size()), from + items[0], out.data(), out.data());
      } else {
        for (std::size_t i = 0; i < items.size(); ++i) out[i] += from[items[i]];
      }
    }
  }

 private:
  struct Sum {
    template <class V>
    static THAW_ALWAYS_INLINE V value(V a, V b) {
      return a + b;
    }
  };
  // Consecutive ids, as when the whole catalogue is asked for: whole rows can be added.
  static bool is_range(std::span<const std::int32_t> items) {
    for (std::size_t i = 1; i < items.size(); ++i)
      if (items[i] != items[i - 1] + 1) return false;
    return !items.empty();
  }
  // The lower triangle of X^T X + lambda I, a row at a time: a row stays in the cache while users add to it.
  void count_pairs(const Interactions& x, const Options& options) {
    const auto n = static_cast<std::size_t>(items_);
    weights_.assign(n * n, 0.0f);
    const auto count_row = [&](std::int32_t item) {
      float* const row = weights_.data() + static_cast<std::size_t>(item) * n;
      for (const std::int32_t user : x.by_item.row(item))
        for (const std::int32_t other : x.by_user.row(user)) {
          if (other > item) break;  // sorted
          row[other] += 1.0f;
        }
      row[item] += static_cast<float>(options.regularization);
    };
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic, 16) num_threads(options.threads) if (options.threads > 1)
#endif
    for (std::int32_t item = 0; item < items_; ++item) count_row(item);
  }
  // P becomes B.
  void divide_columns() {
    const auto n = static_cast<std::size_t>(items_);
    std::vector<float> factor(n);
    for (std::size_t j = 0; j < n; ++j) factor[j] = -1.0f / weights_[j * n + j];
    for (std::size_t i = 0; i < n; ++i) {
      float* const row = weights_.data() + i * n;
      for (std::size_t j = 0; j < n; ++j) row[j] *= factor[j];
      row[i] = 0;
    }
  }

  std::int32_t items_ = 0;
  std::vector<float> weights_;  // (items, items): B(source, target)
};

}  // namespace thaw::inline v0
