// Recurrent cells: one step of a GRU (Cho et al., 2014) and of an LSTM (Hochreiter and Schmidhuber, 1997), with the
// gates and the two bias vectors of PyTorch's GRUCell and LSTMCell.
//
//   thaw::GruCell<thaw::Spec> plan = thaw::gru_cell_spec(/*input*/ 32, /*hidden*/ 64);
//   for (int t = 0; t < steps; ++t) h = cell(x[t], h);      // x (batch, 32), h (batch, 64)
//
// Not a sequence layer: no loop over time, no padding, no packing.
#pragma once

#include "thaw/nn/linear.hpp"

namespace thaw::inline v0 {

template <Value T>
struct GruCell {
  Linear<T> input;   // weight (3 hidden, input): reset, update, new
  Linear<T> hidden;  // weight (3 hidden, hidden)

  // x (batch, input), h (batch, hidden) -> the next h.
  template <Value X>
  T operator()(const X& x, const T& h) const {
    const Index n = hidden.weight.shape[1];
    const T from_input = input(x), from_hidden = hidden(h);
    const auto part = [n](const T& all, Index gate) { return slice(all, -1, gate * n, n); };
    const T reset = sigmoid(add(part(from_input, 0), part(from_hidden, 0)));
    const T update = sigmoid(add(part(from_input, 1), part(from_hidden, 1)));
    const T fresh = tanh(add(part(from_input, 2), mul(reset, part(from_hidden, 2))));
    return add(fresh, mul(update, sub(h, fresh)));
  }
  static void each(auto&& visit, auto&... m) {
    visit("input", m.input...);
    visit("hidden", m.hidden...);
  }
};

template <Value T>
struct LstmState {
  T hidden, cell;  // (batch, hidden) each
};

template <Value T>
struct LstmCell {
  Linear<T> input;   // weight (4 hidden, input): input gate, forget gate, new, output gate
  Linear<T> hidden;  // weight (4 hidden, hidden)

  template <Value X>
  LstmState<T> operator()(const X& x, const LstmState<T>& state) const {
    const Index n = hidden.weight.shape[1];
    const T all = add(input(x), hidden(state.hidden));
    const auto part = [&](Index gate) { return slice(all, -1, gate * n, n); };
    const T cell = add(mul(sigmoid(part(1)), state.cell), mul(sigmoid(part(0)), tanh(part(2))));
    return {mul(sigmoid(part(3)), tanh(cell)), cell};
  }
  static void each(auto&& visit, auto&... m) {
    visit("input", m.input...);
    visit("hidden", m.hidden...);
  }
};

namespace detail {

inline Linear<Spec> gate_spec(Index gates, Index in, Index hidden) {
  const Init init{Init::Kind::uniform, 1.0 / __builtin_sqrt(static_cast<double>(hidden))};
  return {Spec{{gates * hidden, in}, init}, Spec{{gates * hidden}, init}};
}

}  // namespace detail

// Uniform start in +-1/sqrt(hidden), as PyTorch does it.
inline GruCell<Spec> gru_cell_spec(Index input, Index hidden) {
  return {detail::gate_spec(3, input, hidden), detail::gate_spec(3, hidden, hidden)};
}
inline LstmCell<Spec> lstm_cell_spec(Index input, Index hidden) {
  return {detail::gate_spec(4, input, hidden), detail::gate_spec(4, hidden, hidden)};
}

}  // namespace thaw::inline v0
