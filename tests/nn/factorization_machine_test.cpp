// The linear-time form against the double sum over pairs, at widths with and without a remainder; gradients.
#include "thaw/nn/factorization_machine.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("equals the double sum over pairs of fields") {
  Host host;
  for (const Index width : {1, 5, 16, 19, 32}) {
    const A x = host.normal({7, 6, width}), y = thaw::pairwise_sum(x);
    CHECK(y.shape == thaw::Shape{7, 1});
    for (Index r = 0; r < 7; ++r) {
      double want = 0;
      for (Index i = 0; i < 6; ++i)
        for (Index j = i + 1; j < 6; ++j)
          for (Index k = 0; k < width; ++k) want += x[(r * 6 + i) * width + k] * x[(r * 6 + j) * width + k];
      CHECK(std::fabs(y[r] - want) < 1e-12 * static_cast<double>(width));
    }
  }
  const A alone = thaw::pairwise_sum(host.normal({3, 1, 4}));
  for (const double y : alone) CHECK(std::fabs(y) < 1e-14);
}

TEST_CASE("gradients to second order; the fused gradient is that of the composition") {
  Host host;
  for (const Index width : {3, 17})
    thaw_test::hold("pairwise_sum",
                    thaw::check_gradient([](const auto& x) { return thaw::square(thaw::pairwise_sum(x)); },
                                         {host.normal({3, 4, width})}));
}
