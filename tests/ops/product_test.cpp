#include "thaw/ops/product.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;
using thaw::Transpose;

namespace {

A matmul_by_loops(Host& host, const A& a, const A& b, bool ta, bool tb, Index batch, Index m, Index k, Index n,
                  const thaw::Shape& shape) {
  A out = host.zeros(shape);
  for (Index s = 0; s < batch; ++s)
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j)
        for (Index l = 0; l < k; ++l)
          out[(s * m + i) * n + j] +=
              a[s * m * k + (ta ? l * m + i : i * k + l)] * b[s * k * n + (tb ? j * k + l : l * n + j)];
  return out;
}

}  // namespace

TEST_CASE("matmul in four transposes, with and without batches") {
  Host host;
  const Index m = 3, k = 4, n = 2;
  const thaw::Shape batches[] = {{}, {2}, {2, 3}};
  for (const thaw::Shape& batch : batches)
    for (int flags = 0; flags < 4; ++flags) {
      const auto t = static_cast<Transpose>(flags);
      const bool ta = (flags & 1) != 0, tb = (flags & 2) != 0;
      const A a = host.normal(batch.append(ta ? k : m).append(ta ? m : k));
      const A b = host.normal(batch.append(tb ? n : k).append(tb ? k : n));
      const A expected = matmul_by_loops(host, a, b, ta, tb, batch.size(), m, k, n, batch.append(m).append(n));
      CHECK(difference(thaw::matmul(a, b, t), expected) < 1e-13);
      hold("matmul", thaw::check_gradient([&](const auto& x, const auto& y) { return thaw::matmul(x, y, t); }, {a, b}));
    }
}

TEST_CASE("linear: x W^T + b for any number of leading axes") {
  Host host;
  const A weight = host.normal({2, 4}), bias = host.normal({2});
  const thaw::Shape shapes[] = {{4}, {3, 4}, {2, 3, 4}};
  for (const thaw::Shape& shape : shapes) {
    const A x = host.normal(shape);
    const A y = thaw::linear(x, weight, bias);
    A expected = host.zeros(shape.with_last(2));
    for (Index r = 0; r < shape.leading(); ++r)
      for (Index o = 0; o < 2; ++o) {
        expected[r * 2 + o] = bias[o];
        for (Index i = 0; i < 4; ++i) expected[r * 2 + o] += weight[o * 4 + i] * x[r * 4 + i];
      }
    CHECK(difference(y, expected) < 1e-13);
    hold("linear",
         thaw::check_gradient([](const auto& v, const auto& w, const auto& b) { return thaw::linear(v, w, b); },
                              {x, weight, bias}));
  }
}

TEST_CASE("a product of no rows or no inner elements") {
  Host host;
  const A none = thaw::matmul(host.zeros({0, 3}), host.normal({3, 2}));
  CHECK(same_shape(none.shape, {0, 2}));
  const A zero = thaw::matmul(host.zeros({2, 0}), host.zeros({0, 2}));
  for (const double v : zero) CHECK(v == 0);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("product: messages name both shapes") {
  Host host;
  const A a = host.zeros({2, 3}), b = host.zeros({4, 2}), c = host.zeros({5, 3, 2});
  const thaw::Fault inner = message_of([&] { (void)thaw::matmul(a, b); });
  CHECK(says(inner, "(2, 3)"));
  CHECK(says(inner, "(4, 2)"));
  const thaw::Fault flagged = message_of([&] { (void)thaw::matmul(a, b, Transpose::first); });
  CHECK(says(flagged, "(2, 3) transposed and (4, 2)"));
  const thaw::Fault batch = message_of([&] { (void)thaw::matmul(a, c); });
  CHECK(says(batch, "(2, 3)"));
  CHECK(says(batch, "(5, 3, 2)"));
  const thaw::Fault linear = message_of([&] { (void)thaw::linear(a, b, host.zeros({4})); });
  CHECK(says(linear, "(2, 3)"));
  CHECK(says(linear, "(4, 2)"));
  CHECK(says(message_of([&] { (void)thaw::linear(a, host.zeros({5, 3}), host.zeros({4})); }), "bias (4)"));
}
#endif
