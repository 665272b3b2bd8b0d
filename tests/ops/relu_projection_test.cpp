#include "thaw/ops/relu_projection.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

TEST_CASE("relu_projection: a product and a ReLU, and gradients to second order") {
  Host host;
  const A x = host.normal({4, 3}), w = host.normal({5, 3});
  const A want = thaw::relu(thaw::matmul(x, w, thaw::Transpose::second));
  CHECK(difference(thaw::relu_projection(x, w), want) == 0);
  int zeros = 0;
  for (const double v : want) zeros += v == 0;
  CHECK(zeros > 2);
  CHECK(zeros < 18);
  thaw::CheckOptions options;
  options.step = 1e-4;  // no kink within reach
  const auto result =
      thaw::check_gradient([](const auto& a, const auto& b) { return thaw::relu_projection(a, b); }, {x, w}, options);
  CHECK(result.comparisons > 0);
  CHECK(result.error_at(1) < 1e-7);
  CHECK(result.error_at(2) < 1e-5);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("relu_projection: sizes that do not fit") {
  Host host;
  const A x = host.normal({4, 3}), w = host.normal({5, 2});
  CHECK(says(message_of([&] { (void)thaw::relu_projection(x, w); }), "inner sizes differ"));
}
#endif
