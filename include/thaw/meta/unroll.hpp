// unroll: an inner loop of gradient steps as one recorded expression, so that what follows differentiates through it.
//
//   auto weights = thaw::map_model<thaw::Var<float>>(arrays, [&](auto&, auto& a) { return tape.leaf(a); });
//   auto fast = thaw::unroll(weights, /*steps*/ 3, /*rate*/ 0.1,
//                            [&](int step, const auto& model) { return support_loss(model, step); });
//   auto meta = thaw::gradient(query_loss(fast), weights);   // exact: second derivatives included
//
// `first_order` treats the inner gradients as constants (FOMAML, Finn et al., 2017). Only the tensors of `model` adapt:
// pass a part of the network to keep the rest fixed. Memory grows with the number of steps; meta/stepwise.hpp does not.
#pragma once

#include "thaw/autodiff/gradient.hpp"

namespace thaw::inline v0 {

// model - rate * gradients, tensor by tensor: a recorded expression on Vars, plain numbers on Arrays. The gradients may
// be Arrays or Vars.
template <class M, class G>
requires(!is_value<M>) M descend(const M& model, const G& gradients, double rate) {
  M out = model;
  for_each_tensor(
      [&](const Path& path, auto& to, const auto& g) {
        require(to.shape == g.shape, "descend: ", path, " has shape ", to.shape, ", its gradient ", g.shape);
        to = sub(to, scale(g, rate));
      },
      out, gradients);
  return out;
}

// What the inner gradients are to the outer one.
enum class MetaOrder : std::uint8_t {
  exact,       // functions of the weights
  first_order  // constants
};

// The model after `steps` plain gradient steps. loss(step, model) gives the recorded loss of a step, each on a support
// batch of its own if it likes.
template <class M, class Loss>
M unroll(const M& model, int steps, double rate, const Loss& loss, MetaOrder order = MetaOrder::exact) {
  M fast = model;
  for (int step = 0; step < steps; ++step) {
    const M& now = fast;
    const auto value = loss(step, now);
    if (order == MetaOrder::exact)
      fast = descend(now, gradient(value, now, differentiable), rate);
    else
      fast = descend(now, gradient(value, now), rate);
  }
  return fast;
}

}  // namespace thaw::inline v0
