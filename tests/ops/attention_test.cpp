#include "thaw/ops/attention.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

TEST_CASE("attention along the second axis, against loops") {
  Host host;
  const Index outer = 2, queries = 3, keys = 4, inner = 2, heads = 2, head = 3, width = heads * head;
  const A q = host.normal({outer, queries, inner, width}), k = host.normal({outer, keys, inner, width});
  const A w = host.normal({outer, inner, heads, queries, keys});
  const A scores = thaw::attention_scores(q, k, heads);
  const A mixed = thaw::attention_mix(w, k), transposed = thaw::attention_mix(w, q, true);
  CHECK(same_shape(scores.shape, {outer, inner, heads, queries, keys}));
  CHECK(same_shape(mixed.shape, {outer, queries, inner, width}));
  CHECK(same_shape(transposed.shape, {outer, keys, inner, width}));
  A s = host.zeros(scores.shape), m = host.zeros(mixed.shape), t = host.zeros(transposed.shape);
  for (Index o = 0; o < outer; ++o)
    for (Index i = 0; i < inner; ++i)
      for (Index h = 0; h < heads; ++h)
        for (Index a = 0; a < queries; ++a)
          for (Index b = 0; b < keys; ++b) {
            const Index pair = (((o * inner + i) * heads + h) * queries + a) * keys + b;
            for (Index c = 0; c < head; ++c) {
              const Index at_query = ((o * queries + a) * inner + i) * width + h * head + c;
              const Index at_key = ((o * keys + b) * inner + i) * width + h * head + c;
              s[pair] += q[at_query] * k[at_key];
              m[at_query] += w[pair] * k[at_key];
              t[at_key] += w[pair] * q[at_query];
            }
          }
  CHECK(difference(scores, s) < 1e-13);
  CHECK(difference(mixed, m) < 1e-13);
  CHECK(difference(transposed, t) < 1e-13);
}

TEST_CASE("attention products: derivatives to second order") {
  Host host;
  const A q = host.normal({2, 2, 2, 4}), k = host.normal({2, 3, 2, 4}), w = host.normal({2, 2, 2, 2, 3});
  hold("attention_scores",
       thaw::check_gradient([](const auto& a, const auto& b) { return thaw::attention_scores(a, b, 2); }, {q, k}));
  hold("attention_mix",
       thaw::check_gradient([](const auto& a, const auto& b) { return thaw::attention_mix(a, b); }, {w, k}));
  hold("attention_mix transposed",
       thaw::check_gradient([](const auto& a, const auto& b) { return thaw::attention_mix(a, b, true); }, {w, q}));
}

TEST_CASE("softmax attention: derivatives to second order") {
  Host host;
  const A q = host.normal({1, 2, 2, 4}), k = host.normal({1, 3, 2, 4}), v = host.normal({1, 3, 2, 4});
  hold("softmax attention", thaw::check_gradient(
                                [](const auto& a, const auto& b, const auto& c) {
                                  return thaw::attention_mix(
                                      thaw::softmax(thaw::scale(thaw::attention_scores(a, b, 2), 0.7)), c);
                                },
                                {q, k, v}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("attention: messages name the shapes") {
  Host host;
  const A q = host.zeros({2, 2, 2, 4}), k = host.zeros({2, 3, 1, 4}), w = host.zeros({2, 2, 2, 2, 3});
  const thaw::Fault scores = message_of([&] { (void)thaw::attention_scores(q, k, 2); });
  CHECK(says(scores, "(2, 2, 2, 4)"));
  CHECK(says(scores, "(2, 3, 1, 4)"));
  CHECK(says(message_of([&] { (void)thaw::attention_scores(q, q, 3); }), "3 heads"));
  const thaw::Fault mix = message_of([&] { (void)thaw::attention_mix(w, k); });
  CHECK(says(mix, "(2, 2, 2, 2, 3)"));
  CHECK(says(mix, "(2, 3, 1, 4)"));
  CHECK(says(message_of([&] { (void)thaw::attention_mix(w, q); }), "(2, 2, 2, 4)"));
}
#endif
