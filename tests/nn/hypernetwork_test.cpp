#include "thaw/nn/hypernetwork.hpp"

#include "tests/nn/fixture.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/optim/parameters.hpp"

using namespace nn_test;
using thaw::Spec;

namespace {

// The variance of the generated weight of a linear layer, over many codes of unit variance.
double generated_variance(Index in, Index out, Index width, const thaw::HeadOptions& options) {
  Host host;
  thaw::Linear<Spec> target = thaw::linear_spec(in, out);
  target.weight.init = {thaw::Init::Kind::normal, std::sqrt(2.0 / static_cast<double>(in))};
  thaw::Parameters<thaw::Hypernetwork<Spec>, double> heads(thaw::hypernetwork_spec(target, width, options),
                                                           host.context, 5);
  double squares = 0;
  constexpr int kCodes = 8;
  for (int i = 0; i < kCodes; ++i) {
    const auto made = heads.values().generate(target, host.normal({1, width}));
    for (const double w : made.weight) squares += w * w;
  }
  return squares / static_cast<double>(kCodes * in * out);
}

}  // namespace

TEST_CASE("a head is act(code H + b) in the generated tensor's shape") {
  Host host;
  const thaw::Linear<Spec> target = thaw::linear_spec(3, 2);
  for (const double slope : {1.0, 0.3, 0.0}) {
    auto plan = thaw::hypernetwork_spec(target, 4, {.slope = slope});
    const auto heads = random_model(host, plan);
    const A code = host.normal({1, 4});
    const thaw::Linear<A> made = heads.generate(target, code);
    CHECK(made.weight.shape == thaw::Shape{2, 3});
    CHECK(made.bias.shape == thaw::Shape{2});
    for (Index j = 0; j < 6; ++j) {
      double z = heads.heads[0].bias[0][j];
      for (Index i = 0; i < 4; ++i) z += code[i] * heads.heads[0].matrix[6 * i + j];
      CHECK(made.weight[j] == doctest::Approx(z > 0 ? z : slope * z).epsilon(1e-13));
    }
  }
}

TEST_CASE("any module can be generated, and runs as if its weights had been stored") {
  Host host;
  const thaw::Mlp<Spec> target = thaw::mlp_spec({4, 5, 1}, thaw::Activation::tanh);
  const auto heads = random_model(host, thaw::hypernetwork_spec(target, 3));
  const A code = host.normal({1, 3}), x = host.normal({7, 4});
  const thaw::Mlp<A> made = heads.generate(target, code);
  CHECK(made.activation == thaw::Activation::tanh);
  CHECK(made(x).shape == thaw::Shape{7, 1});
  thaw_test::hold("generated perceptron",
                  thaw::check_gradient([&](const auto& c) { return heads.generate(target, c)(x); }, {code}));
}

TEST_CASE("counts: a head has code times size numbers, and size more with a bias") {
  const thaw::Linear<Spec> target = thaw::linear_spec(128, 128);
  CHECK(thaw::parameter_count(thaw::hypernetwork_spec(target, 256)) == 257 * (16384 + 128));
  CHECK(thaw::parameter_count(thaw::hypernetwork_spec(
            target, 256, {.start = thaw::HeadStart::glorot, .bias = false})) == 4194304 + 32768);
  const auto published = thaw::hypernetwork_spec(target, 256, {.start = thaw::HeadStart::glorot, .bias = false});
  CHECK(published.heads[0].matrix.init.scale == doctest::Approx(0.018989).epsilon(1e-4));
  CHECK(published.heads[1].matrix.init.scale == doctest::Approx(0.125).epsilon(1e-12));
  CHECK(thaw::glorot_limit(256, 49152) == doctest::Approx(0.011020).epsilon(1e-4));
}

TEST_CASE("the fan-in start: generated weights have the variance of ordinary ones at any code width and activation") {
  for (const Index width : {16, 256})
    for (const double slope : {1.0, 0.3, 0.0}) {
      const double ratio = generated_variance(64, 48, width, {.slope = slope, .spread = 0.1}) / (2.0 / 64);
      CHECK(ratio == doctest::Approx(1.01).epsilon(0.08));  // 1 + spread^2, up to the sampling of 3072 weights
    }
  // The published start: far too small, and smaller still for a wider layer at the same fan-in.
  const thaw::HeadOptions glorot{.start = thaw::HeadStart::glorot, .bias = false};
  CHECK(generated_variance(64, 48, 64, glorot) / (2.0 / 64) < 2.1);
  CHECK(generated_variance(64, 480, 64, glorot) < 0.2 * generated_variance(64, 48, 64, glorot));
}

TEST_CASE("codes differ by the spread that was asked for") {
  Host host;
  const thaw::Linear<Spec> target = thaw::linear_spec(64, 48);
  thaw::Parameters<thaw::Hypernetwork<Spec>, double> heads(thaw::hypernetwork_spec(target, 32, {.spread = 0.25}),
                                                           host.context, 5);
  const auto a = heads.values().generate(target, host.normal({1, 32}));
  const auto none = heads.values().generate(target, host.zeros({1, 32}));
  double squares = 0;
  for (Index i = 0; i < a.weight.size(); ++i) squares += std::pow(a.weight[i] - none.weight[i], 2);
  const double deviation = 1 / std::sqrt(3.0 * 64);  // of the layer's own uniform start
  CHECK(std::sqrt(squares / static_cast<double>(a.weight.size())) / deviation == doctest::Approx(0.25).epsilon(0.25));
}

TEST_CASE("the interest basis is one bias-free layer") {
  Host host;
  const auto basis = random_model(host, thaw::interest_basis_spec(2, 5));
  const A code = host.normal({1, 2});
  CHECK(difference(basis(code), thaw::matmul(code, basis.basis)) == 0);
  CHECK(thaw::parameter_count(thaw::interest_basis_spec(128, 256)) == 32768);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("heads that do not fit a module are named") {
  Host host;
  const auto heads = random_model(host, thaw::hypernetwork_spec(thaw::linear_spec(3, 2), 4));
  const A code = host.normal({1, 4});
  CHECK(thaw_test::says(thaw_test::message_of([&] { heads.generate(thaw::linear_spec(3, 3), code); }), "weight"));
  CHECK(thaw_test::says(thaw_test::message_of([&] { heads.generate(thaw::interest_basis_spec(3, 2), code); }),
                        "2 heads for a module of 1"));
  CHECK(thaw_test::says(thaw_test::message_of([&] {
                          heads.generate(thaw::linear_spec(3, 2), host.normal({2, 4}));
                        }),
                        "(2, 4)"));
  CHECK(thaw_test::says(
      thaw_test::message_of([&] { thaw::hypernetwork_spec(thaw::linear_spec(3, 2), 4, {.bias = false}); }), "fan-in"));
}
#endif
