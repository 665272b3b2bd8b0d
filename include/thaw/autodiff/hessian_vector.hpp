// hessian_vector: the product of the Hessian of a loss with a vector, exact, without ever forming the Hessian.
//
//   auto x = tape.leaf(weights);
//   auto loss = thaw::sum(thaw::square(thaw::tanh(x)));
//   auto hv = thaw::hessian_vector(loss, x, v);                  // v and hv have the shape of x
//   auto model_hv = thaw::hessian_vector(loss, model, vectors);  // for every tensor of a model
//
// The gradient g is taken as a recorded value and <g, v> is differentiated (Pearlmutter, 1994): it costs about two
// gradients. Not an approximation by differences; a whole Hessian needs one call a row.
#pragma once

#include "thaw/autodiff/gradient.hpp"

namespace thaw::inline v0 {

namespace detail {

// The sum over the tensors of two models of their inner products, as a recorded scalar.
template <class R, class B, class G, class W>
Var<R, B> inner_product(Tape<R, B>& tape, const G& recorded, const W& vectors) {
  Var<R, B> total;
  for_each_tensor(
      [&](const Path& path, const Var<R, B>& g, const Array<R, B>& v) {
        require(g.shape == v.shape, "hessian_vector: ", path, " has shape ", g.shape, ", its vector ", v.shape);
        const Var<R, B> part = sum(mul(g, v));
        total = total.tape == nullptr ? part : add(total, part);
      },
      recorded, vectors);
  if (total.tape != nullptr) return total;
  // A model without tensors.
  auto zero = Array<R, B>::make(tape.context(), Shape{});
  B::fill(tape.context(), 1, R(0), zero.data);
  return tape.constant(zero);
}

}  // namespace detail

// H v for one variable.
template <class R, class B>
Array<R, B> hessian_vector(const Var<R, B>& loss, const Var<R, B>& variable, const Array<R, B>& v) {
  require(variable.shape == v.shape, "hessian_vector: the variable has shape ", variable.shape, ", its vector ",
          v.shape);
  return gradient(sum(mul(gradient(loss, variable, differentiable), v)), variable);
}

// H v for all tensors of a model of Vars; `v` is the same model of Arrays, and so is the result.
template <class R, class B, class M>
requires(!is_value<M>) ModelOf<M, Array<R, B>> hessian_vector(const Var<R, B>& loss, const M& model,
                                                              const ModelOf<M, Array<R, B>>& v) {
  const M g = gradient(loss, model, differentiable);
  return gradient(detail::inner_product(*loss.tape, g, v), model);
}

}  // namespace thaw::inline v0
