#include "thaw/nn/losses.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

constexpr std::int32_t kClasses[] = {2, 0};

}  // namespace

TEST_CASE("squared errors: mean, and weighted as the caller says") {
  Host host;
  const A p = host.of({4}, {1, 2, 3, 4}), t = host.of({4}, {1, 0, 0, 2}), w = host.of({4}, {5, 0.5, 0, 0.25});
  CHECK(thaw::mean(p).item() == 2.5);
  CHECK(thaw::mse(p, t).item() == doctest::Approx((4 + 9 + 4) / 4.0));
  CHECK(thaw::weighted_squared_error(p, t, w).item() == doctest::Approx(0.5 * 4 + 0.25 * 4));
}

TEST_CASE("binary cross-entropy: exact in the middle, linear and finite at +-50 logits") {
  Host host;
  const double logits[] = {0, 0.3, -2, 50, -50, 50, -50}, targets[] = {0.5, 1, 0.25, 1, 0, 0, 1};
  for (int i = 0; i < 7; ++i) {
    const A x = host.of({1}, {logits[i]}), y = host.of({1}, {targets[i]});
    const double p = 1 / (1 + std::exp(-logits[i]));
    const double want = i < 3 ? -targets[i] * std::log(p) - (1 - targets[i]) * std::log(1 - p)
                              : (i < 5 ? std::exp(-50.0) : 50 + std::exp(-50.0));
    CHECK(thaw::bce_with_logits(x, y).item() == doctest::Approx(want).epsilon(1e-12));
    thaw::Tape<double> tape(host.context);
    const V leaf = tape.leaf(x);
    CHECK(thaw::gradient(thaw::bce_with_logits(leaf, y), leaf).item() ==
          doctest::Approx(p - targets[i]).epsilon(1e-12));
  }
}

TEST_CASE("binary cross-entropy in float: 50 logits cost 50, not infinity") {
  Host host;
  using F = thaw::Array<float>;
  const float x[] = {50, -50}, y[] = {0, 1};
  CHECK(thaw::bce_with_logits(F::view(host.context, x, {2}), F::view(host.context, y, {2})).item() == 50.0F);
}

TEST_CASE("cross-entropy: the log of the class's share, unmoved by a shift of the logits") {
  Host host;
  const A x = host.normal({3, 4});
  const std::int32_t classes[] = {2, 0, 3};
  double want = 0;
  for (Index r = 0; r < 3; ++r) {
    double sum = 0;
    for (Index j = 0; j < 4; ++j) sum += std::exp(x[4 * r + j]);
    want -= std::log(std::exp(x[4 * r + classes[r]]) / sum) / 3;
  }
  CHECK(thaw::cross_entropy(x, classes).item() == doctest::Approx(want).epsilon(1e-12));
  CHECK(thaw::cross_entropy(thaw::shift(x, 700), classes).item() == doctest::Approx(want).epsilon(1e-10));
  CHECK(thaw::cross_entropy(host.zeros({2, 8}), classes).item() == doctest::Approx(std::log(8.0)));
}

TEST_CASE("pairwise ranking: log 2 and slopes of a half at equal scores, linear far from them") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V p = tape.leaf(host.of({2}, {0.7, -3})), n = tape.leaf(host.of({2}, {0.7, -3}));
  const V loss = thaw::bpr(p, n);
  CHECK(loss.item() == doctest::Approx(std::log(2.0)).epsilon(1e-14));
  const A up = thaw::gradient(loss, p), down = thaw::gradient(loss, n);
  for (Index i = 0; i < 2; ++i) {
    CHECK(up[i] == doctest::Approx(-0.5 / 2).epsilon(1e-14));  // of a mean of two
    CHECK(down[i] == doctest::Approx(0.5 / 2).epsilon(1e-14));
  }
  CHECK(thaw::bpr(host.of({1}, {-400}), host.of({1}, {400})).item() == doctest::Approx(800));
  CHECK(thaw::bpr(host.of({1}, {400}), host.of({1}, {-400})).item() >= 0);
}

TEST_CASE("losses: derivatives to second order") {
  Host host;
  const A x = host.normal({2, 3}), t = host.uniform({2, 3}, 0, 1), w = host.uniform({2, 3}, 0, 1);
  thaw_test::hold("mse", thaw::check_gradient([](const auto& a, const auto& b) { return thaw::mse(a, b); }, {x, t}));
  thaw_test::hold("weighted", thaw::check_gradient([](const auto& a, const auto& b,
                                                      const auto& c) { return thaw::weighted_squared_error(a, b, c); },
                                                   {x, t, w}));
  thaw_test::hold(
      "bce", thaw::check_gradient([](const auto& a, const auto& b) { return thaw::bce_with_logits(a, b); }, {x, t}));
  thaw_test::hold("bpr", thaw::check_gradient([](const auto& a, const auto& b) { return thaw::bpr(a, b); }, {x, t}));
  thaw_test::hold("cross entropy",
                  thaw::check_gradient([](const auto& a) { return thaw::cross_entropy(a, kClasses); }, {x}));
}
