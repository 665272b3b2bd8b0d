// Losses: each a scalar.
//
//   auto loss = thaw::mse(predicted, target, weights);   // sum w (p - t)^2 / sum w
#pragma once

#include "thaw/ops/index.hpp"
#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

// The mean of all elements.
template <Value T>
T mean(const T& x) {
  return scale(sum(x), 1.0 / static_cast<double>(x.shape.size()));
}

// Mean squared error over all elements; equal shapes.
template <Value T, Value Target>
Meet<T, Target> mse(const T& predicted, const Target& target) {
  return mean(square(sub(predicted, target)));
}
// Weighted: sum(w (p - t)^2), with weights that the caller has normalised (zero hides a cell).
template <Value T, Value Target, Value Weights>
Meet<T, Meet<Target, Weights>> weighted_squared_error(const T& predicted, const Target& target,
                                                      const Weights& weights) {
  return sum(mul(square(sub(predicted, target)), weights));
}

// Binary cross-entropy of logits x against targets y in [0, 1]: mean of softplus(x) - x y.
template <Value T, Value Target>
Meet<T, Target> bce_with_logits(const T& logits, const Target& target) {
  return mean(sub(softplus(logits), mul(logits, target)));
}

// Cross-entropy of logits (rows, classes) against one class id a row: mean of log_sum_exp(x) - x[id].
template <Value T>
T cross_entropy(const T& logits, const std::int32_t* classes) {
  return mean(sub(reshape(log_sum_exp(logits), {logits.shape[0]}), pick(logits, classes)));
}

// Bayesian personalised ranking (Rendle et al., 2009): mean of -log sigmoid(positive - negative), equal shapes.
template <Value T, Value Negative>
Meet<T, Negative> bpr(const T& positive, const Negative& negative) {
  return mean(softplus(sub(negative, positive)));
}

}  // namespace thaw::inline v0
