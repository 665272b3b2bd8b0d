#include "thaw/nn/attention.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

// Causal: query a may not see key b > a.
A causal_mask(Host& host, Index tokens) {
  A mask = host.zeros({tokens, tokens});
  for (Index a = 0; a < tokens; ++a)
    for (Index b = a + 1; b < tokens; ++b) mask[a * tokens + b] = thaw::kMasked;
  return mask;
}

}  // namespace

TEST_CASE("attention maps: weights of a row are positive and sum to 1") {
  Host host;
  const auto layer = random_model(host, thaw::attention_spec(6, 2));
  CHECK(layer.scale == doctest::Approx(1 / std::sqrt(3.0)));
  const A map = layer.map(host.normal({2, 3, 4, 6}), host.normal({2, 5, 4, 6}));
  CHECK(thaw_test::same_shape(map.shape, {2, 4, 2, 3, 5}));
  for (Index r = 0; r < map.size() / 5; ++r) {
    double sum = 0;
    for (Index b = 0; b < 5; ++b) {
      CHECK(map[5 * r + b] > 0);
      sum += map[5 * r + b];
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("masks: a masked key has exactly no influence, and a bias moves the scores") {
  Host host;
  const auto layer = random_model(host, thaw::attention_spec(6, 2));
  const A x = host.normal({1, 4, 2, 6}), mask = causal_mask(host, 4);
  const A y = layer(x, x, mask);
  A changed = host.zeros(x.shape);
  for (Index i = 0; i < x.size(); ++i) changed[i] = x[i] + (i >= 3 * 12 ? 5.0 : 0.0);  // the last token
  const A z = layer(changed, changed, mask);
  for (Index i = 0; i < 3 * 12; ++i) CHECK(z[i] == y[i]);
  CHECK(difference(z, y) > 1e-3);
  // The first token sees itself alone: its output is that of its own value.
  CHECK(difference(thaw::slice(y, 1, 0, 1), layer.output(layer.value(thaw::slice(x, 1, 0, 1)))) < 1e-13);
  // A bias that is the same for all keys changes nothing, one for each head (heads, queries, keys) does.
  CHECK(difference(layer(x, x, host.of({1}, {3})), layer(x, x)) < 1e-12);
  const A bias = host.normal({2, 4, 4});
  const A scores = thaw::scale(thaw::attention_scores(layer.query(x), layer.key(x), 2), layer.scale);
  const A want = layer.output(thaw::attention_mix(thaw::softmax(thaw::add(scores, bias)), layer.value(x)));
  CHECK(difference(layer(x, x, bias), want) == 0);
  CHECK(difference(layer(x, x, bias), layer(x, x)) > 1e-3);
}

TEST_CASE("masks in float: the weight of a masked key is exactly 0") {
  Host host;
  const float scores[] = {0.5F, static_cast<float>(thaw::kMasked), 80.0F};
  const auto map = thaw::softmax(thaw::Array<float>::view(host.context, scores, {1, 3}));
  CHECK(map[1] == 0.0F);
  CHECK(map[0] + map[2] == 1.0F);
}

TEST_CASE("attention along another axis: the same as permuting, attending and permuting back") {
  Host host;
  const auto layer = random_model(host, thaw::attention_spec(8, 4));
  const A x = host.normal({2, 3, 5, 8});
  const A by_reshape = thaw::reshape(layer(thaw::reshape(x, {6, 5, 1, 8}), thaw::reshape(x, {6, 5, 1, 8})), x.shape);
  const A turned = thaw::permute(x, {0, 2, 1, 3});
  CHECK(difference(thaw::permute(layer(turned, turned), {0, 2, 1, 3}), by_reshape) < 1e-13);
}

TEST_CASE("one token: the weight is 1, so attention is output(value(x))") {
  Host host;
  const auto layer = random_model(host, thaw::attention_spec(6, 1));
  const A x = host.normal({3, 1, 2, 6});
  CHECK(difference(layer(x, x), layer.output(layer.value(x))) < 1e-13);
}

TEST_CASE("axial block: without output and feed-forward it is the linear map of its residual") {
  Host host;
  const auto block = random_model(host, thaw::axial_block_spec(6, 2, 2.0));
  CHECK(thaw::parameter_count(block) == 13 * 36 + 14 * 6);
  for (const A& t : {block.output.weight, block.output.bias, block.contract.weight, block.contract.bias})
    for (double& v : t) v = 0;
  const A x = host.normal({2, 4, 3, 6});
  CHECK(difference(block(x), block.residual(x)) < 1e-13);
  const A map = block.map(x);
  for (Index r = 0; r < map.size() / 4; ++r)
    CHECK(map[4 * r] + map[4 * r + 1] + map[4 * r + 2] + map[4 * r + 3] == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("a stack of axial blocks: permuting users or items permutes the output") {
  Host host;
  const Index n = 5, m = 7, e = 6;
  const auto over_users = random_model(host, thaw::axial_block_spec(e, 2, 2.0));
  const auto over_items = random_model(host, thaw::axial_block_spec(e, 3, 2.0));
  const auto stack = [&](const A& x) {
    const A y = over_users(thaw::reshape(x, {1, n, m, e}));
    return thaw::reshape(over_items(thaw::reshape(y, {n, m, 1, e})), {n, m, e});
  };
  const Index users[] = {3, 0, 4, 1, 2}, items[] = {6, 2, 0, 5, 1, 4, 3};
  const auto shuffled = [&](const A& x) {
    A out = host.zeros({n, m, e});
    for (Index k = 0; k < n; ++k)
      for (Index j = 0; j < m; ++j)
        for (Index c = 0; c < e; ++c) out[(k * m + j) * e + c] = x[(users[k] * m + items[j]) * e + c];
    return out;
  };
  const A x = host.normal({n, m, e});
  CHECK(difference(stack(shuffled(x)), shuffled(stack(x))) < 1e-12);
  CHECK(difference(stack(shuffled(x)), stack(x)) > 1e-2);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("attention plans: heads must divide the width") {
  CHECK(thaw_test::says(thaw_test::message_of([] { (void)thaw::attention_spec(10, 3); }), "3 heads"));
  CHECK(thaw_test::says(thaw_test::message_of([] { (void)thaw::axial_block_spec(10, 4, 1); }), "4 heads"));
}
#endif
