// Dice: the activation of deep interest networks (Zhou et al., 2018), a PReLU whose bend moves with the data.
//
//   auto y = dice(x);                   // (rows, width): p = sigmoid(beta norm(x)), y = p x + alpha (1 - p) x
//   auto z = dice.train(x, update);     // with the batch's own statistics
//
// `norm` is batch norm without weights. alpha and beta are learnt and start at 0, as in the official code: half of x.
#pragma once

#include "thaw/nn/batch_norm.hpp"

namespace thaw::inline v0 {

template <Value T>
struct Dice {
  T alpha;  // (width)
  T beta;   // (width)
  AxisStatistics<T> statistics;

  T operator()(const T& x) const { return bend(x, statistics(x)); }
  template <class Real>
  T train(const T& x, StatisticsUpdate<Real>& update) const {
    return bend(x, statistics.train(x, update));
  }
  static void each(auto&& visit, auto&... m) {
    visit("alpha", m.alpha...);
    visit("beta", m.beta...);
    visit("statistics", m.statistics...);
  }

 private:
  T bend(const T& x, const T& normal) const {
    const T p = sigmoid(mul(normal, beta));
    const T rest = shift(scale(p, -1), 1);
    return mul(x, add(p, mul(rest, alpha)));
  }
};

inline Dice<Spec> dice_spec(Index width) { return {Spec{{width}, {}}, Spec{{width}, {}}, axis_statistics_spec(width)}; }

}  // namespace thaw::inline v0
