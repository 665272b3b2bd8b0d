// Dice: closed form, its start, its limits, gradients. Values in a whole model: tests/examples/mwuf_golden_test.cpp.
#include "thaw/nn/dice.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("p x + alpha (1 - p) x with p = sigmoid(beta norm(x)); it starts as half of x") {
  Host host;
  const thaw::Dice<A> dice{
      host.normal({3}), host.normal({3}), {host.normal({3}), host.uniform({3}, 0.5, 2), 1e-5, 0.1}};
  const A x = host.normal({4, 3}), y = dice(x);
  for (Index i = 0; i < 12; ++i) {
    const Index j = i % 3;
    const double normal = (x[i] - dice.statistics.mean[j]) / std::sqrt(dice.statistics.variance[j] + 1e-5);
    const double p = 1 / (1 + std::exp(-dice.beta[j] * normal));
    CHECK(std::fabs(y[i] - (p * x[i] + dice.alpha[j] * (1 - p) * x[i])) < 1e-14);
  }
  const auto start = random_model(host, thaw::dice_spec(3), 0.0);
  CHECK(difference(start(x), thaw::scale(x, 0.5)) < 1e-15);
}

TEST_CASE("alpha 1 is the identity; a steep beta with centred data is a PReLU") {
  Host host;
  auto dice = random_model(host, thaw::dice_spec(3), 0.0);
  const A x = host.away_from_zero({4, 3}, 0.1);
  for (double& b : dice.beta) b = 1e4;
  const A relu = dice(x);
  for (Index i = 0; i < 12; ++i) CHECK(std::fabs(relu[i] - (std::fmax)(x[i], 0.0)) < 1e-12);
  for (double& a : dice.alpha) a = 1;
  CHECK(difference(dice(x), x) < 1e-15);
}

TEST_CASE("gradients to second order, deployed and training") {
  Host host;
  const A mean = host.normal({3}), variance = host.uniform({3}, 0.5, 2);
  for (const bool training : {false, true}) {
    const auto f = [&](const auto& x, const auto& alpha, const auto& beta) {
      using T = thaw::Meet<std::decay_t<decltype(x)>,
                           thaw::Meet<std::decay_t<decltype(alpha)>, std::decay_t<decltype(beta)>>>;
      const T& like = thaw::detail::first_of<T>(x, alpha, beta);
      const thaw::Dice<T> dice{thaw::lift_to<T>(alpha, like),
                               thaw::lift_to<T>(beta, like),
                               {thaw::lift_to<T>(mean, like), thaw::lift_to<T>(variance, like), 1e-5, 0.1}};
      thaw::StatisticsUpdate<double> update;
      const T in = thaw::lift_to<T>(x, like);
      return training ? dice.train(in, update) : dice(in);
    };
    thaw_test::hold("dice", thaw::check_gradient(f, {host.normal({4, 3}), host.normal({3}), host.normal({3})}));
  }
}
