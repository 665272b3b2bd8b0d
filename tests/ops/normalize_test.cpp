#include "thaw/ops/normalize.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

TEST_CASE("softmax and log_sum_exp against the definition, with weights that would overflow") {
  Host host;
  const A x = host.normal({2, 3, 5});
  const A y = thaw::softmax(x), l = thaw::log_sum_exp(x);
  CHECK(same_shape(l.shape, {2, 3, 1}));
  for (Index i = 0; i < 6; ++i) {
    double total = 0;
    for (Index j = 0; j < 5; ++j) total += std::exp(x[i * 5 + j]);
    CHECK(l[i] == doctest::Approx(std::log(total)).epsilon(1e-12));
    for (Index j = 0; j < 5; ++j) CHECK(y[i * 5 + j] == doctest::Approx(std::exp(x[i * 5 + j]) / total).epsilon(1e-12));
  }
  const A large = host.of({1, 2}, {1000, 999});
  CHECK(thaw::softmax(large)[0] == doctest::Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-12));
  CHECK(thaw::log_sum_exp(large)[0] == doctest::Approx(1000 + std::log1p(std::exp(-1.0))).epsilon(1e-12));
  hold("softmax", thaw::check_gradient([](const auto& v) { return thaw::softmax(v); }, {x}));
  hold("log_sum_exp", thaw::check_gradient([](const auto& v) { return thaw::log_sum_exp(v); }, {x}));
  const A one = host.normal({3, 1});
  for (const double v : thaw::softmax(one)) CHECK(v == 1);
}

TEST_CASE("softmax to third order") {
  Host host;
  thaw::CheckOptions options;
  options.order = 3;
  options.step = 3e-3;
  const auto r = thaw::check_gradient([](const auto& v) { return thaw::softmax(v); }, {host.normal({2, 4})}, options);
  CHECK(r.error_at(2) < 1e-7);
  CHECK(r.error_at(3) < 1e-5);
}

TEST_CASE("layer_norm against the definition") {
  Host host;
  const A x = host.normal({2, 3, 4}), weight = host.normal({4}), bias = host.normal({4});
  const double epsilon = 1e-3;
  const A y = thaw::layer_norm(x, weight, bias, epsilon);
  for (Index i = 0; i < 6; ++i) {
    double mean = 0, squares = 0;
    for (Index j = 0; j < 4; ++j) mean += x[i * 4 + j] / 4;
    for (Index j = 0; j < 4; ++j) squares += x[i * 4 + j] * x[i * 4 + j] / 4;
    const double deviation = std::sqrt(squares - mean * mean + epsilon);
    for (Index j = 0; j < 4; ++j)
      CHECK(y[i * 4 + j] == doctest::Approx((x[i * 4 + j] - mean) / deviation * weight[j] + bias[j]).epsilon(1e-11));
  }
  hold("layer_norm", thaw::check_gradient([&](const auto& v, const auto& w,
                                              const auto& b) { return thaw::layer_norm(v, w, b, epsilon); },
                                          {x, weight, bias}));
}

TEST_CASE("layer_norm: the fused kernels and the composition agree to second order") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V in[] = {tape.leaf(host.normal({3, 6})), tape.leaf(host.normal({6})), tape.leaf(host.normal({6}))};
  const A seed = host.normal({3, 6}), direction = host.normal({3, 6});
  const V fused = thaw::layer_norm(in[0], in[1], in[2], 1e-5);
  const V composed = thaw::op::LayerNorm::compose<V>({1e-5}, in, 3);
  CHECK(difference(fused, composed) < 1e-13);
  const V loss_fused = thaw::sum(thaw::mul(fused, seed)), loss_composed = thaw::sum(thaw::mul(composed, seed));
  const V first_fused = thaw::gradient(loss_fused, in[0], thaw::differentiable);
  const V first_composed = thaw::gradient(loss_composed, in[0], thaw::differentiable);
  const V second_fused = thaw::sum(thaw::mul(first_fused, direction));
  const V second_composed = thaw::sum(thaw::mul(first_composed, direction));
  for (const V& v : in) {
    CHECK(difference(thaw::gradient(loss_fused, v), thaw::gradient(loss_composed, v)) < 1e-12);
    CHECK(difference(thaw::gradient(second_fused, v), thaw::gradient(second_composed, v)) < 1e-11);
  }
}

TEST_CASE("dropout: one mask a key, kept values scaled, the same mask backwards") {
  Host host;
  const auto rule = thaw::DropoutRule::make(0.25, thaw::Key{42}, 3);
  const A x = host.away_from_zero({40, 50}, 0.1);
  const A y = thaw::dropout(x, rule), again = thaw::dropout(x, rule);
  CHECK(difference(y, again) == 0);
  Index dropped = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (y[i] == 0)
      ++dropped;
    else
      CHECK(y[i] == doctest::Approx(x[i] / 0.75).epsilon(1e-14));
  }
  // 2000 draws at 0.25: within five standard deviations of 500.
  CHECK(std::abs(static_cast<double>(dropped) - 500) < 5 * std::sqrt(2000 * 0.25 * 0.75));
  CHECK(difference(thaw::dropout(x, thaw::DropoutRule::make(0.25, thaw::Key{43}, 3)), y) > 0.1);
  CHECK(difference(thaw::dropout(x, thaw::DropoutRule::make(0.25, thaw::Key{42}, 4)), y) > 0.1);
  CHECK(thaw::dropout(x, thaw::DropoutRule{}).data == x.data);
  const A small = host.normal({3, 11});
  hold("dropout", thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::dropout(v, rule)); }, {small}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("normalize: messages name the shapes") {
  Host host;
  const thaw::Fault fault = message_of([&] {
    (void)thaw::layer_norm(host.zeros({2, 3}), host.zeros({4}), host.zeros({3}));
  });
  CHECK(says(fault, "(2, 3)"));
  CHECK(says(fault, "(4)"));
  CHECK(says(message_of([&] { (void)thaw::log_sum_exp(host.zeros({})); }), "no last axis"));
}
#endif
