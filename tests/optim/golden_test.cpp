// Optimisers against numbers that are not ours: a published table, textbook loops written here, closed forms.
#define THAW_TEST_HEAP_COUNTER_HOME
#include "tests/heap_counter.hpp"
#include "tests/optim/fixture.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/lamb.hpp"
#include "thaw/optim/lookahead.hpp"
#include "thaw/optim/schedule.hpp"
#include "thaw/optim/sgd.hpp"

using namespace optim_test;

namespace {

// Lamb 1e-3 without bias correction under Lookahead(6, 0.5), slow weights born at step 6; made in float by the classes
// that the code of arXiv 2403.17740 trains with.
struct GoldenRow {
  int step;
  double weight[3];
};
constexpr GoldenRow kGolden[] = {
    {1, {0.99784005, 2.00216031, 2.99783945}},  {5, {0.98920631, 2.01079488, 2.98920441}},
    {6, {0.98704946, 2.01295185, 2.98704743}},  {7, {0.98489326, 2.01510811, 2.98489118}},
    {11, {0.97627497, 2.02372670, 2.97627234}}, {12, {0.98058569, 2.01941586, 2.98058319}}};

template <class R>
void check_golden(double tolerance) {
  Host host;
  thaw::Parameters<One<thaw::Spec>, R> parameters(one_spec(3), host.context, 1);
  for (int i = 0; i < 3; ++i) parameters.slot(0).value[i] = static_cast<R>(i + 1);
  thaw::Lookahead<thaw::Lamb<R>, R> optimiser(parameters, {.every = 6, .share = 0.5, .start_at_first_sync = true});
  const R gradient[] = {R(0.1), R(-0.2), R(0.3)};
  int step = 0;
  for (const GoldenRow& row : kGolden) {
    for (; step < row.step; ++step) step_along(parameters, optimiser, gradient, 1e-3);
    for (int i = 0; i < 3; ++i)
      CHECK(std::fabs(static_cast<double>(parameters.slot(0).value[i]) - row.weight[i]) < tolerance);
  }
}

// Adam as in the paper's algorithm 1, with AdamW's decay when it is not zero.
void check_adam(double decay) {
  Host host;
  thaw::Parameters<One<thaw::Spec>, double> parameters(one_spec(5), host.context, 3);
  thaw::Adam<double> adam(parameters, {.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .decay = decay});
  double w[5], m[5] = {}, v[5] = {};
  for (int i = 0; i < 5; ++i) w[i] = parameters.slot(0).value[i];
  for (int t = 1; t <= 30; ++t) {
    double g[5];
    for (double& x : g) x = host.rng.normal();
    const double rate = 0.01 * t;
    step_along(parameters, adam, g, rate);
    for (int i = 0; i < 5; ++i) {
      m[i] = 0.8 * m[i] + 0.2 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(0.8, t)), v_hat = v[i] / (1 - std::pow(0.95, t));
      w[i] -= rate * decay * w[i];
      w[i] -= rate * m_hat / (std::sqrt(v_hat) + 1e-6);
      CHECK(std::fabs(parameters.slot(0).value[i] - w[i]) < 1e-12);
    }
  }
}

}  // namespace

TEST_CASE("Lamb under Lookahead: the published trainer's weights, in float and double") {
  check_golden<float>(5e-7);
  check_golden<double>(5e-7);
}

TEST_CASE("Adam and AdamW: a loop after the papers") {
  check_adam(0);
  check_adam(0.1);
}

TEST_CASE("Sgd: plain and with momentum, a loop after Polyak") {
  for (const double momentum : {0.0, 0.9}) {
    Host host;
    thaw::Parameters<One<thaw::Spec>, double> parameters(one_spec(4), host.context, 3);
    thaw::Sgd<double> sgd(parameters, {.momentum = momentum});
    double w[4], v[4] = {};
    for (int i = 0; i < 4; ++i) w[i] = parameters.slot(0).value[i];
    for (int t = 0; t < 20; ++t) {
      double g[4];
      for (double& x : g) x = host.rng.normal();
      step_along(parameters, sgd, g, 0.05);
      for (int i = 0; i < 4; ++i) {
        v[i] = momentum * v[i] + g[i];
        w[i] -= 0.05 * v[i];
        CHECK(parameters.slot(0).value[i] == doctest::Approx(w[i]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("Lookahead: slow weights from the start, or from the first sync") {
  for (const bool late : {false, true}) {
    Host host;
    thaw::Parameters<One<thaw::Spec>, double> parameters(one_spec(1), host.context, 3);
    parameters.slot(0).value[0] = 1;
    thaw::Lookahead<thaw::Sgd<double>, double> optimiser(parameters,
                                                         {.every = 2, .share = 0.5, .start_at_first_sync = late});
    const double gradient[] = {1};
    // From 1 down by 0.1 a step. Early: (1 + 0.8) / 2, then (0.9 + 0.7) / 2. Late: 0.8, then (0.8 + 0.6) / 2.
    const double want[] = {0.9, late ? 0.8 : 0.9, late ? 0.7 : 0.8, late ? 0.7 : 0.8};
    for (const double w : want) {
      step_along(parameters, optimiser, gradient, 0.1);
      CHECK(parameters.slot(0).value[0] == doctest::Approx(w).epsilon(1e-12));
    }
  }
}

TEST_CASE("schedules: flat, then half a cosine down to zero") {
  const Index total = 1000;
  const thaw::Schedule schedule = thaw::flat_then_anneal(1e-3, total, 0.7);
  for (Index t = 0; t <= total; ++t) {
    const double part = (static_cast<double>(t) - 700) / 300;
    const double want = t <= 700 ? 1e-3 : 0.5e-3 * (1 + std::cos(3.141592653589793 * part));
    CHECK(std::fabs(schedule.at(t) - want) < 1e-15);
  }
  CHECK(schedule.at(total) == 0);
  CHECK(thaw::constant_rate(0.5).at(123456) == 0.5);
  const thaw::Schedule warm = thaw::cosine(1, 110, 10);
  CHECK(warm.at(0) == doctest::Approx(0.1));
  CHECK(warm.at(4) == doctest::Approx(0.5));
  CHECK(warm.at(9) == 1);
  CHECK(warm.at(60) == doctest::Approx(0.5));
  CHECK(warm.at(500) == 0);
}
