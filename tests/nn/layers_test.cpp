// Linear, Mlp, LayerNorm and Embedding against plain loops.
#include "tests/nn/fixture.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/layer_norm.hpp"
#include "thaw/nn/mlp.hpp"

using namespace nn_test;

namespace {

// One row through a layer: y = W x + b.
void linear_by_hand(const thaw::Linear<A>& layer, const double* x, double* y) {
  const Index out = layer.weight.shape[0], in = layer.weight.shape[1];
  for (Index o = 0; o < out; ++o) {
    y[o] = layer.bias[o];
    for (Index i = 0; i < in; ++i) y[o] += layer.weight[o * in + i] * x[i];
  }
}

}  // namespace

TEST_CASE("Linear: y = x W^T + b over the last axis, for any leading shape") {
  Host host;
  const auto layer = random_model(host, thaw::linear_spec(4, 3));
  const A x = host.normal({2, 5, 4}), y = layer(x);
  CHECK(thaw_test::same_shape(y.shape, {2, 5, 3}));
  A want = host.zeros({2, 5, 3});
  for (Index r = 0; r < 10; ++r) linear_by_hand(layer, x.data + 4 * r, want.data + 3 * r);
  CHECK(difference(y, want) < 1e-14);
}

TEST_CASE("Mlp: the activation stands between layers and not after the last") {
  Host host;
  struct Case {
    thaw::Activation activation;
    double (*by_hand)(double);
  };
  const Case cases[] = {{thaw::Activation::identity, [](double v) { return v; }},
                        {thaw::Activation::relu, [](double v) { return v > 0 ? v : 0; }},
                        {thaw::Activation::tanh, [](double v) { return std::tanh(v); }},
                        {thaw::Activation::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }},
                        {thaw::Activation::gelu, [](double v) { return v * 0.5 * std::erfc(-v / std::sqrt(2.0)); }}};
  for (const Case& c : cases) {
    const auto mlp = random_model(host, thaw::mlp_spec({4, 6, 5, 2}, c.activation), 0.8);
    CHECK(mlp.layers.count == 3);
    const A x = host.normal({3, 4});
    A want = host.zeros({3, 2});
    for (Index r = 0; r < 3; ++r) {
      double h[6], k[5];
      linear_by_hand(mlp.layers[0], x.data + 4 * r, h);
      for (double& v : h) v = c.by_hand(v);
      linear_by_hand(mlp.layers[1], h, k);
      for (double& v : k) v = c.by_hand(v);
      linear_by_hand(mlp.layers[2], k, want.data + 2 * r);
    }
    CHECK(difference(mlp(x), want) < 1e-12);
  }
}

TEST_CASE("Mlp: the plan counts its parameters and names its tensors") {
  const auto plan = thaw::mlp_spec({64, 32, 1}, thaw::Activation::relu);
  CHECK(thaw::parameter_count(plan) == 64 * 32 + 32 + 32 + 1);
  const char* const names[] = {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"};
  int i = 0;
  thaw::for_each_tensor([&](const thaw::Path& path, const auto&) { CHECK(std::strcmp(path.text, names[i++]) == 0); },
                        plan);
  CHECK(i == 4);
}

TEST_CASE("LayerNorm: rows of mean zero and deviation one, then weight and bias") {
  Host host;
  auto layer = random_model(host, thaw::layer_norm_spec(7, 1e-3));
  const A x = host.normal({3, 7}), y = layer(x);
  A want = host.zeros({3, 7});
  for (Index r = 0; r < 3; ++r) {
    double mean = 0, variance = 0;
    for (Index j = 0; j < 7; ++j) mean += x[7 * r + j] / 7;
    for (Index j = 0; j < 7; ++j) variance += (x[7 * r + j] - mean) * (x[7 * r + j] - mean) / 7;
    for (Index j = 0; j < 7; ++j)
      want[7 * r + j] = (x[7 * r + j] - mean) / std::sqrt(variance + 1e-3) * layer.weight[j] + layer.bias[j];
  }
  CHECK(difference(y, want) < 1e-13);
  // Shifting and stretching a row changes nothing but for epsilon.
  layer.epsilon = 0;
  CHECK(difference(layer(thaw::shift(thaw::scale(x, 3), 10)), layer(x)) < 1e-12);
}

TEST_CASE("Embedding: rows, means and sums of bags, zeros where an id is missing") {
  Host host;
  const auto layer = random_model(host, thaw::embedding_spec(5, 2));
  const A& t = layer.table;
  const std::int32_t one[] = {3, -1, 0};
  const A rows = layer(thaw::Bags{one, nullptr, 3});
  CHECK(difference(rows, host.of({3, 2}, {t[6], t[7], 0, 0, t[0], t[1]})) == 0);
  const std::int32_t ids[] = {1, 4, 2, -1}, offsets[] = {0, 2, 2, 3, 4};  // {1, 4}, {}, {2}, {-1}
  const A means = layer(thaw::Bags{ids, offsets, 4, true}), sums = layer(thaw::Bags{ids, offsets, 4, false});
  const A want = host.of({4, 2}, {t[2] + t[8], t[3] + t[9], 0, 0, t[4], t[5], 0, 0});
  CHECK(difference(sums, want) < 1e-15);
  CHECK(difference(means, host.of({4, 2}, {(t[2] + t[8]) / 2, (t[3] + t[9]) / 2, 0, 0, t[4], t[5], 0, 0})) < 1e-15);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("layers: messages name the shapes and ids that do not fit") {
  Host host;
  const auto layer = random_model(host, thaw::linear_spec(4, 3));
  const A x = host.zeros({2, 5});
  const thaw::Fault fault = thaw_test::message_of([&] { (void)layer(x); });
  CHECK(thaw_test::says(fault, "(2, 5)"));
  CHECK(thaw_test::says(fault, "(3, 4)"));
  const auto table = random_model(host, thaw::embedding_spec(5, 2));
  const std::int32_t beyond[] = {0, 5};
  CHECK(thaw_test::says(thaw_test::message_of([&] { (void)table(thaw::Bags{beyond, nullptr, 2}); }), "id 5"));
}
#endif
