// MaskedGru: a GRU over histories of different lengths; the state after the last known slot.
//
//   thaw::MaskedGru<thaw::Spec> plan = thaw::masked_gru_spec(/*input*/ 16, /*hidden*/ 16);
//   auto state = gru(history, known);     // (rows, slots, 16), (rows, slots) -> (rows, 16)
//
// Slots are oldest first; an empty one, wherever it is, leaves the state as it was. An empty history gives zeros.
#pragma once

#include "thaw/nn/field_embedding.hpp"
#include "thaw/nn/recurrent.hpp"

namespace thaw::inline v0 {

template <Value T>
struct MaskedGru {
  GruCell<T> cell;

  // `known` (rows, slots): 1 for a slot that is used, 0 for an empty one.
  T operator()(const T& history, const Plain<T>& known) const {
    const Index rows = history.shape[0], slots = history.shape[1], width = history.shape[2];
    require(known.shape == Shape({rows, slots}), "MaskedGru: history ", history.shape, ", known ", known.shape);
    T state = lift_to<T>(make_constant(history, {rows, cell.hidden.weight.shape[1]},
                                       [&](auto* to) {
                                         for (Index i = 0; i < rows * cell.hidden.weight.shape[1]; ++i) to[i] = 0;
                                       }),
                         history);
    for (Index t = 0; t < slots; ++t) {
      const T next = cell(reshape(slice(history, 1, t, 1), {rows, width}), state);
      state = add(state, mul(sub(next, state), slice(known, 1, t, 1)));
    }
    return state;
  }
  static void each(auto&& visit, auto&... m) { visit("cell", m.cell...); }
};

inline MaskedGru<Spec> masked_gru_spec(Index input, Index hidden) { return {gru_cell_spec(input, hidden)}; }

}  // namespace thaw::inline v0
