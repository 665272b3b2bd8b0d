// frozen: a model as constants of a tape, for the gradient of a loss with respect to an input alone.
//
//   const auto base = thaw::frozen(tape, weights);              // weights: a model of Arrays
//   const auto v = tape.leaf(item_vectors);
//   auto loss = click_loss(base.logits(batch, v), labels);
//   auto slope = thaw::gradient(loss, v);                       // no gradient of a weight is ever computed
//
// What does not depend on the input is computed and not recorded. Not a copy: the constants are the weights themselves.
#pragma once

#include "thaw/autodiff/gradient.hpp"

namespace thaw::inline v0 {

template <class R, class B, class M>
ModelOf<M, Var<R, B>> frozen(Tape<R, B>& tape, const M& weights) {
  return map_unnamed<Var<R, B>>(weights, [&](const Array<R, B>& a) { return tape.constant(a); });
}

}  // namespace thaw::inline v0
