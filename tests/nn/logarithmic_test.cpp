// Logarithmic neurons: what one neuron with whole exponents is, the cut at 1e-4, the log1p form, gradients.
#include "thaw/nn/logarithmic.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

// One neuron without batch norm: gains 1, statistics 0 and 1 with no epsilon.
thaw::LogarithmicNeurons<A> plain_neuron(Host& host, std::initializer_list<double> exponents, Index width) {
  auto plan = thaw::logarithmic_spec(static_cast<Index>(exponents.size()), width, 1);
  for (int i = 0; i < 2; ++i) plan.norms[i].statistics.epsilon = 0;
  auto out = random_model(host, plan, 0.0);
  Index f = 0;
  for (const double w : exponents) out.weight[f++] = w;
  return out;
}

}  // namespace

TEST_CASE("exponents (1, 0) give |e_1|, (1, 1) give |e_1 e_2|, (2, -1) give e_1^2 / |e_2|") {
  Host host;
  const A x = host.away_from_zero({4, 2, 3}, 0.2);
  const auto first = plain_neuron(host, {1, 0}, 3)(x), both = plain_neuron(host, {1, 1}, 3)(x);
  const auto ratio = plain_neuron(host, {2, -1}, 3)(x);
  for (Index r = 0; r < 4; ++r)
    for (Index k = 0; k < 3; ++k) {
      const double a = x[(r * 2) * 3 + k], b = x[(r * 2 + 1) * 3 + k];
      CHECK(std::fabs(first[r * 3 + k] - std::fabs(a)) < 1e-13);
      CHECK(std::fabs(both[r * 3 + k] - std::fabs(a * b)) < 1e-13);
      CHECK(std::fabs(ratio[r * 3 + k] - a * a / std::fabs(b)) < 1e-12);
    }
}

TEST_CASE("the logarithm is cut at 1e-4 and has no gradient there; elsewhere its slope is 1 / x") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V x = tape.leaf(host.of({5}, {0, 5e-5, -5e-5, -0.5, 2}));
  const V y = thaw::clipped_log(x);
  for (Index i = 0; i < 3; ++i) CHECK(std::fabs(y[i] - std::log(1e-4)) < 1e-12);
  CHECK(std::fabs(y[3] - std::log(0.5)) < 1e-14);
  const A g = thaw::gradient(thaw::sum(y), x);
  for (Index i = 0; i < 3; ++i) CHECK(g[i] == 0);
  CHECK(std::fabs(g[3] + 2) < 1e-14);
  CHECK(std::fabs(g[4] - 0.5) < 1e-14);
}

TEST_CASE("log1p: 0 for zeros, exponent 1 returns |e|, negative sums give 0") {
  Host host;
  auto neuron = random_model(host, thaw::logarithmic_spec(2, 3, 2, true), 0.0);
  CHECK(neuron.log1p());
  neuron.weight[0] = 1, neuron.weight[2] = -1;
  const A x = host.normal({4, 2, 3}), y = neuron(x), none = neuron(host.zeros({1, 2, 3}));
  for (Index r = 0; r < 4; ++r)
    for (Index k = 0; k < 3; ++k) {
      CHECK(std::fabs(y[(r * 3 + k) * 2] - std::fabs(x[r * 6 + k])) < 1e-6);
      CHECK(y[(r * 3 + k) * 2 + 1] == 0);
    }
  for (const double v : none) CHECK(std::fabs(v) < 1e-6);
}

TEST_CASE("gradients to second order, both forms, deployed and training") {
  Host host;
  const A x = host.away_from_zero({3, 2, 2}, 0.3);
  for (const bool log1p : {false, true})
    for (const bool training : {false, true}) {
      const auto plan = thaw::logarithmic_spec(2, 2, 3, log1p);
      const auto f = [&](const auto& in, const auto& w) {
        using T = thaw::Meet<std::decay_t<decltype(in)>, std::decay_t<decltype(w)>>;
        const T& like = thaw::detail::first_of<T>(in, w);
        auto neurons = thaw::map_unnamed<T>(plan, [&](const thaw::Spec& s) {
          A start = host.zeros(s.shape);
          for (double& v : start) v = s.init.kind == thaw::Init::Kind::constant ? s.init.scale : 0;
          return thaw::lift_to<T>(start, like);
        });
        neurons.weight = thaw::lift_to<T>(w, like);
        thaw::StatisticsUpdate<double> update;
        const T v = thaw::lift_to<T>(in, like);
        return training ? neurons.train(v, update) : neurons(v);
      };
      A w = host.normal({3, 2});
      for (double& v : w) v = 0.3 + 0.2 * std::fabs(v);  // away from the bend of ReLU
      thaw_test::hold("logarithmic", thaw::check_gradient(f, {x, w}));
    }
}
