// The networks of s2Meta: the learner of a recommender's weights, coordinate by coordinate, and the stop controller.
//
//   hyperrs::S2Meta<thaw::Spec> plan = hyperrs::s2meta_plan(options);
//   auto state = net.first_states(theta);
//   net.update(theta, state, features, gradients);      // theta <- f * theta - i * gradient
//
// An LSTM a tensor of the recommender reads five numbers of each weight and gives its gates i and f; its hidden state
// is layer-normalised before the gates and before it is carried on, as in the published program. Gradients and features
// are constants: what is differentiated is the chain of gates back to the start. Not the inner loop: see s2meta.hpp.
#pragma once

#include <cmath>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/nn/layer_norm.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/nn/recurrent.hpp"

namespace hyperrs {

constexpr int kMostTensors = 8;  // four layers, weights and biases

struct S2MetaOptions {
  thaw::Index width = 64;                // of a user's and of an item's vector
  thaw::Index hidden[3] = {64, 32, 16};  // of the recommender
  thaw::Index cells = 16;                // of the LSTM of a tensor
  int most_steps = 20;
  int least_steps = 4;  // from this step on the controller may stop
  double margin = 1;
  double step_penalty = 0;
  double rate = 1e-4, stop_rate = 5e-5;  // of Adam
  double decay = 1e-5;                   // added to the gradient
  double clip = 0.25;                    // of every element of the gradient
  bool from_attributes = false;          // vectors of items without training records
  int factor_epochs = 30;
  int threads = 1;
  std::uint64_t seed = 1;
};

// A number of any size as two of order one, p = 10: (ln|w| / p, sign w), or (-1, e^p w) below e^-p.
template <class R>
struct Smoothed {
  R magnitude, sign;
};
template <class R>
Smoothed<R> smooth(R w) {
  const R tiny = static_cast<R>(std::exp(-10.0)), size = std::abs(w);
  if (size < tiny) return {R(-1), static_cast<R>(std::exp(10.0)) * w};
  return {std::log(size + R(1e-20)) / R(10), w > 0 ? R(1) : R(-1)};
}

// (coordinates, 5): the gradient's two numbers, the weight's two, the loss's first.
template <class A>
A coordinate_features(const A& weight, const A& gradient, double loss) {
  using R = typename A::Real;
  const A out = A::make(*weight.context, {weight.size(), 5});
  const R of_loss = smooth(static_cast<R>(loss)).magnitude;
  for (thaw::Index i = 0; i < weight.size(); ++i) {
    const Smoothed<R> g = smooth(gradient[i]), w = smooth(weight[i]);
    const R row[] = {g.magnitude, g.sign, w.magnitude, w.sign, of_loss};
    for (thaw::Index k = 0; k < 5; ++k) out[i * 5 + k] = row[k];
  }
  return out;
}

template <thaw::Value T>
struct Gates {
  T input, forget;  // (coordinates, 1)
};

template <thaw::Value T>
struct CoordinateLstm {
  thaw::LstmCell<T> cell;
  thaw::LayerNorm<T> norm;
  thaw::Linear<T> input_gate, forget_gate;
  T first_hidden, first_cell;  // (1, cells)

  thaw::LstmState<T> first(thaw::Index coordinates) const {
    const thaw::Shape shape{coordinates, first_hidden.shape[1]};
    return {thaw::broadcast_to(first_hidden, shape), thaw::broadcast_to(first_cell, shape)};
  }
  // features (coordinates, 5)
  template <class A>
  Gates<T> operator()(const A& features, thaw::LstmState<T>& state) const {
    state = cell(features, state);
    state.hidden = norm(state.hidden);
    return {thaw::sigmoid(input_gate(state.hidden)), thaw::sigmoid(forget_gate(state.hidden))};
  }
  static void each(auto&& visit, auto&... m) {
    visit("cell", m.cell...);
    visit("norm", m.norm...);
    visit("input_gate", m.input_gate...);
    visit("forget_gate", m.forget_gate...);
    visit("first_hidden", m.first_hidden...);
    visit("first_cell", m.first_cell...);
  }
};

template <thaw::Value T>
struct S2Meta {
  thaw::Mlp<T> start;                                       // of the recommender: [user, item] -> score
  thaw::Several<CoordinateLstm<T>, kMostTensors> learners;  // one a tensor of `start`, in its order

  using States = thaw::Several<thaw::LstmState<T>, kMostTensors>;

  States first_states() const {
    States states;
    thaw::for_each_unnamed([&](const T& w) { states.push(learners[states.count].first(w.shape.size())); }, start);
    return states;
  }
  // One step of the recommender's weights. Features and gradients: a model of Arrays with one array a tensor.
  template <class A>
  void update(thaw::Mlp<T>& theta, States& states, const thaw::Mlp<A>& features, const thaw::Mlp<A>& gradients) const {
    int k = 0;
    thaw::for_each_unnamed(
        [&](T& w, const A& x, const A& g) {
          const Gates<T> gate = learners[k](x, states[k]);
          const thaw::Shape shape = w.shape;
          const T forgotten = thaw::mul(thaw::reshape(gate.forget, shape), w);
          w = thaw::sub(forgotten, thaw::mul(thaw::reshape(gate.input, shape), g));
          ++k;
        },
        theta, features, gradients);
  }
  static void each(auto&& visit, auto&... m) { visit("start", m.start...), visit("learners", m.learners...); }
};

// The logit of stopping, from the smoothed sizes of the gradients and of the loss.
template <thaw::Value T>
struct StopController {
  thaw::LstmCell<T> cell;
  thaw::Linear<T> output;
  T first_hidden, first_cell;  // (1, hidden)

  thaw::LstmState<T> first() const { return {first_hidden, first_cell}; }
  template <class A>
  T operator()(const A& features, thaw::LstmState<T>& state) const {
    state = cell(features, state);
    return output(state.hidden);
  }
  static void each(auto&& visit, auto&... m) {
    visit("cell", m.cell...);
    visit("output", m.output...);
    visit("first_hidden", m.first_hidden...);
    visit("first_cell", m.first_cell...);
  }
};

// REINFORCE for the steps that were not stopped: sum_t -log(1 - p_t) [L_t - L_last - (T - t) penalty], the bracket a
// constant. features (T, inputs), before (T) = L_t. The stop itself earns nothing: its bracket is zero.
template <class R, class B>
thaw::Var<R, B> stop_loss(const StopController<thaw::Var<R, B>>& net, const thaw::Array<R, B>& features,
                          const R* before, double last, double step_penalty) {
  auto state = net.first();
  const thaw::Index steps = features.shape[0];
  thaw::Var<R, B> total;
  for (thaw::Index t = 0; t < steps; ++t) {
    const thaw::Var<R, B> logit = net(thaw::slice(features, 0, t, 1), state);
    const double gain = static_cast<double>(before[t]) - last - static_cast<double>(steps - t) * step_penalty;
    const thaw::Var<R, B> term = thaw::scale(thaw::sum(thaw::softplus(logit)), gain);
    total = t == 0 ? term : thaw::add(total, term);
  }
  return total;
}

// Mean max(0, margin - score(positive) + score(negative)) of inputs (pairs, 2 width).
template <thaw::Value T, class A>
T ranking_loss(const thaw::Mlp<T>& theta, const A& positive, const A& negative, double margin) {
  return thaw::mean(thaw::relu(thaw::shift(thaw::sub(theta(negative), theta(positive)), margin)));
}

inline S2Meta<thaw::Spec> s2meta_plan(const S2MetaOptions& o) {
  using thaw::Init, thaw::Spec;
  S2Meta<Spec> plan;
  plan.start = thaw::mlp_spec({2 * o.width, o.hidden[0], o.hidden[1], o.hidden[2], 1}, thaw::Activation::relu);
  for (int l = 0; l < plan.start.layers.count; ++l) plan.start.layers[l].bias.init = {};
  const int tensors = thaw::tensor_count(plan.start);
  const Init unit{Init::Kind::normal, 1};
  for (int k = 0; k < tensors; ++k) {
    const Init xavier{Init::Kind::normal, std::sqrt(2.0 / static_cast<double>(o.cells + 1))};
    const thaw::Linear<Spec> input{Spec{{1, o.cells}, xavier}, Spec{{1}, {}}};
    const thaw::Linear<Spec> forget{Spec{{1, o.cells}, xavier}, Spec{{1}, {Init::Kind::constant, 5}}};
    plan.learners.push({thaw::lstm_cell_spec(5, o.cells), thaw::layer_norm_spec(o.cells), input, forget,
                        Spec{{1, o.cells}, unit}, Spec{{1, o.cells}, unit}});
  }
  return plan;
}
inline StopController<thaw::Spec> stop_plan(const S2MetaOptions& o) {
  const thaw::Index inputs = thaw::tensor_count(s2meta_plan(o).start) + 1, hidden = 2 * inputs;
  const thaw::Init unit{thaw::Init::Kind::normal, 1};
  thaw::Linear<thaw::Spec> output = thaw::linear_spec(hidden, 1);
  output.bias.init = {};
  return {thaw::lstm_cell_spec(inputs, hidden), output, thaw::Spec{{1, hidden}, unit}, thaw::Spec{{1, hidden}, unit}};
}

// Remembering is the start of an LSTM: a bias of one on its forget gate. The program wrote it elsewhere.
template <class A>
void start_remembering(const S2Meta<A>& net) {
  for (int k = 0; k < net.learners.count; ++k) {
    const thaw::LstmCell<A>& cell = net.learners[k].cell;
    const thaw::Index n = cell.hidden.weight.shape[1];
    for (thaw::Index i = n; i < 2 * n; ++i) cell.input.bias[i] = 1, cell.hidden.bias[i] = 0;
  }
}

}  // namespace hyperrs
