// ActivationUnit: attention of a candidate over a history (Zhou et al., 2018): a small network scores each pair.
//
//   thaw::ActivationUnit<thaw::Spec> plan = thaw::activation_unit_spec(/*width*/ 16);
//   auto interest = unit(item, history, known);    // (rows, 16), (rows, slots, 16), (rows, slots) -> (rows, 16)
//
// The network reads [q; k; q - k; q k] and has widths 80, 40, 1 with sigmoids. With `normalise` scores are divided by
// sqrt(width) and go through a softmax over the known slots, as the official code has it; without, they are the weights
// themselves, as the paper prints it. An empty history gives zeros.
#pragma once

#include "thaw/nn/field_embedding.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/ops/normalize.hpp"

namespace thaw::inline v0 {

template <Value T>
struct ActivationUnit {
  Mlp<T> score;
  bool normalise = true;

  // `known` (rows, slots): 1 for a slot that is used, 0 for an empty one.
  T operator()(const T& query, const T& keys, const Plain<T>& known) const {
    const Index rows = keys.shape[0], slots = keys.shape[1], width = keys.shape[2];
    require(query.shape == Shape({rows, width}) && known.shape == Shape({rows, slots}), "ActivationUnit: query ",
            query.shape, ", keys ", keys.shape, ", known ", known.shape);
    const T q = broadcast_to(reshape(query, {rows, 1, width}), keys.shape);
    T weights = reshape(score(concat({q, keys, sub(q, keys), mul(q, keys)}, 2)), {rows, slots});
    if (normalise) {
      const auto closed = scale(shift(known, -1), kFar);
      weights = softmax(add(scale(weights, 1 / __builtin_sqrt(static_cast<double>(width))), closed));
    }
    // A row of empty slots has equal weights after the softmax; here they become zeros.
    const T open = reshape(mul(weights, known), {rows, 1, slots});
    return reshape(matmul(open, keys), {rows, width});
  }
  static void each(auto&& visit, auto&... m) {
    visit("score", m.score...);
    visit("normalise", m.normalise...);
  }

 private:
  static constexpr double kFar = 4294967295.0;  // 2^32 - 1
};

inline ActivationUnit<Spec> activation_unit_spec(Index width, bool normalise = true, Index first = 80,
                                                 Index second = 40) {
  return {mlp_spec({4 * width, first, second, 1}, Activation::sigmoid), normalise};
}

}  // namespace thaw::inline v0
