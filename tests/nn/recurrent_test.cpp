// Numbers of torch.nn.GRUCell and torch.nn.LSTMCell in double: weights, biases and inputs are 0.6 sin(1 + 1.3 t + 0.7
// k) over the row-major index k, with t counting weight_ih, bias_ih, weight_hh, bias_hh from 0 and x, h, c from 10.
#include "thaw/nn/recurrent.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

A wave(Host& host, int t, const thaw::Shape& shape) {
  A out = host.zeros(shape);
  for (Index k = 0; k < out.size(); ++k) out[k] = 0.6 * std::sin(1 + 1.3 * t + 0.7 * static_cast<double>(k));
  return out;
}

template <class Cell>
auto filled(Host& host, thaw::Tape<double>& tape, const Cell& plan) {
  int t = 0;
  return thaw::map_model<V>(
      plan, [&](const thaw::Path&, const thaw::Spec& s) { return tape.leaf(wave(host, t++, s.shape)); });
}

double norm(const A& a) {
  double squares = 0;
  for (const double x : a) squares += x * x;
  return std::sqrt(squares);
}

constexpr double kClose = 1e-13;

}  // namespace

TEST_CASE("GRU cell: two steps and all gradients as torch has them") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto cell = filled(host, tape, thaw::gru_cell_spec(3, 2));
  const V x = tape.leaf(wave(host, 10, {2, 3})), h = tape.leaf(wave(host, 11, {2, 2}));
  const V out = cell(x, cell(x, h));
  const double want[] = {-0.32842187590370336, -0.30206596082925186, 0.04691079168441724, 0.12400946768335483};
  for (Index i = 0; i < 4; ++i) CHECK(std::fabs(out[i] - want[i]) < kClose);
  const V loss = thaw::sum(thaw::mul(out, wave(host, 13, {2, 2})));
  const auto g = thaw::gradient(loss, cell);
  CHECK(std::fabs(norm(g.input.weight) - 0.54533902854084) < kClose);
  CHECK(std::fabs(norm(g.input.bias) - 0.416801913429486) < kClose);
  CHECK(std::fabs(norm(g.hidden.weight) - 0.0990839353085846) < kClose);
  CHECK(std::fabs(norm(g.hidden.bias) - 0.294734522667926) < kClose);
  CHECK(std::fabs(norm(thaw::gradient(loss, x)) - 0.3153740831317) < kClose);
  CHECK(std::fabs(norm(thaw::gradient(loss, h)) - 0.0562866143927821) < kClose);
}

TEST_CASE("LSTM cell: two steps and all gradients as torch has them") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto cell = filled(host, tape, thaw::lstm_cell_spec(3, 2));
  const V x = tape.leaf(wave(host, 10, {2, 3}));
  const thaw::LstmState<V> start{tape.leaf(wave(host, 11, {2, 2})), tape.leaf(wave(host, 12, {2, 2}))};
  const auto out = cell(x, cell(x, start));
  const double hidden[] = {-0.162213730927386, -0.0987163669020775, 0.0682492904275723, 0.186573628501301};
  const double state[] = {-0.223199069168124, -0.228708085342186, 0.164768528412772, 0.263267385172267};
  for (Index i = 0; i < 4; ++i) {
    CHECK(std::fabs(out.hidden[i] - hidden[i]) < kClose);
    CHECK(std::fabs(out.cell[i] - state[i]) < kClose);
  }
  const V loss = thaw::add(thaw::sum(thaw::mul(out.hidden, wave(host, 13, {2, 2}))),
                           thaw::sum(thaw::mul(out.cell, wave(host, 14, {2, 2}))));
  const auto g = thaw::gradient(loss, cell);
  CHECK(std::fabs(norm(g.input.weight) - 0.414679652215368) < kClose);
  CHECK(std::fabs(norm(g.input.bias) - 0.700301071872037) < kClose);
  CHECK(std::fabs(norm(g.hidden.weight) - 0.0798617144446618) < kClose);
  CHECK(std::fabs(norm(g.hidden.bias) - 0.700301071872037) < kClose);
  CHECK(std::fabs(norm(thaw::gradient(loss, x)) - 0.258240667833391) < kClose);
  CHECK(std::fabs(norm(thaw::gradient(loss, start.hidden)) - 0.1312612642377) < kClose);
  CHECK(std::fabs(norm(thaw::gradient(loss, start.cell)) - 0.181090243816094) < kClose);
}

TEST_CASE("a GRU whose update gate is wide open keeps its state") {
  Host host;
  auto cell = random_model(host, thaw::gru_cell_spec(3, 2));
  for (Index i = 2; i < 4; ++i) cell.input.bias[i] = 60;  // sigmoid(60) is 1 in double
  const A x = host.normal({4, 3}), h = host.normal({4, 2});
  CHECK(difference(cell(x, h), h) < 1e-14);
}
