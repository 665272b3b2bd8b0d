// Cross network: no weights is the identity, equal weights give x0 times its mean, the polynomial of two layers.
#include "thaw/nn/cross.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("zero weights return the input; weights 1/width give x0 mean(x0) + x0") {
  Host host;
  auto cross = random_model(host, thaw::cross_spec(5, 3), 0.0);
  const A x = host.normal({4, 5});
  CHECK(difference(cross(x), x) == 0);
  auto one = random_model(host, thaw::cross_spec(5, 1), 0.0);
  for (double& w : one.layers[0].weight) w = 0.2;
  const A y = one(x);
  for (Index r = 0; r < 4; ++r) {
    double mean = 0;
    for (Index j = 0; j < 5; ++j) mean += x[r * 5 + j] / 5;
    for (Index j = 0; j < 5; ++j) CHECK(std::fabs(y[r * 5 + j] - x[r * 5 + j] * (mean + 1)) < 1e-14);
  }
}

TEST_CASE("two layers of one number: x ((x w + 1) x + b) v + c + (x w + 1) x + b") {
  Host host;
  auto cross = random_model(host, thaw::cross_spec(1, 2));
  const double w = cross.layers[0].weight[0], b = cross.layers[0].bias[0];
  const double v = cross.layers[1].weight[0], c = cross.layers[1].bias[0];
  for (const double x : {0.7, -1.3}) {
    const double first = (x * w + 1) * x + b;
    CHECK(std::fabs(cross(host.of({1, 1}, {x}))[0] - (x * first * v + c + first)) < 1e-14);
  }
  CHECK(thaw::parameter_count(thaw::cross_spec(128, 3)) == 3 * 256);
}

TEST_CASE("gradients to second order") {
  Host host;
  const auto f = [](const auto& x0, const auto& w, const auto& b) {
    using T = thaw::Meet<std::decay_t<decltype(x0)>, thaw::Meet<std::decay_t<decltype(w)>, std::decay_t<decltype(b)>>>;
    const T& like = thaw::detail::first_of<T>(x0, w, b);
    thaw::Cross<T> cross;
    for (int l = 0; l < 2; ++l) cross.layers.push({thaw::lift_to<T>(w, like), thaw::lift_to<T>(b, like)});
    return cross(thaw::lift_to<T>(x0, like));
  };
  thaw_test::hold("cross", thaw::check_gradient(f, {host.normal({3, 4}), host.normal({4, 1}), host.normal({4})}));
}
