// Product layers: pair by pair, the order of pairs, identity kernels are inner products, gradients.
#include "thaw/nn/product_layer.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

TEST_CASE("one number for each pair of fields, in the order (0, 1), (0, 2), ..., (1, 2)") {
  Host host;
  CHECK(thaw::pair_count(8) == 28);
  const Index rows = 3, fields = 4, width = 5;
  const A x = host.normal({rows, fields, width});
  const thaw::OuterProducts<A> outer{host.normal({6, width, width})};
  const A inner = thaw::inner_products(x), products = outer(x);
  CHECK(inner.shape == thaw::Shape{3, 6});
  CHECK(products.shape == thaw::Shape{3, 6});
  for (Index r = 0; r < rows; ++r) {
    Index pair = 0;
    for (Index i = 0; i < fields; ++i)
      for (Index j = i + 1; j < fields; ++j, ++pair) {
        const double *a = x.data + (r * fields + i) * width, *b = x.data + (r * fields + j) * width;
        double dot = 0, form = 0;
        for (Index p = 0; p < width; ++p) {
          dot += a[p] * b[p];
          for (Index q = 0; q < width; ++q) form += a[p] * outer.kernels[(pair * width + p) * width + q] * b[q];
        }
        CHECK(std::fabs(inner[r * 6 + pair] - dot) < 1e-13);
        CHECK(std::fabs(products[r * 6 + pair] - form) < 1e-13);
      }
  }
}

TEST_CASE("the sum of inner products is what a factorisation machine has; kernels of ones on the diagonal give them") {
  Host host;
  const A x = host.normal({3, 4, 5});
  thaw::OuterProducts<A> outer{host.zeros({6, 5, 5})};
  for (Index p = 0; p < 6; ++p)
    for (Index k = 0; k < 5; ++k) outer.kernels[(p * 5 + k) * 5 + k] = 1;
  CHECK(difference(outer(x), thaw::inner_products(x)) < 1e-14);
  const auto plan = thaw::outer_products_spec(8, 16);
  CHECK(thaw::parameter_count(plan) == 28 * 256);
  CHECK(plan(thaw::Spec{{10, 8, 16}, {}}).shape == thaw::Shape{10, 28});
}

TEST_CASE("gradients to second order") {
  Host host;
  thaw_test::hold(
      "inner", thaw::check_gradient([](const auto& x) { return thaw::inner_products(x); }, {host.normal({2, 4, 3})}));
  const auto f = [](const auto& x, const auto& kernels) {
    using T = thaw::Meet<std::decay_t<decltype(x)>, std::decay_t<decltype(kernels)>>;
    const T& like = thaw::detail::first_of<T>(x, kernels);
    return thaw::OuterProducts<T>{thaw::lift_to<T>(kernels, like)}(thaw::lift_to<T>(x, like));
  };
  thaw_test::hold("outer", thaw::check_gradient(f, {host.normal({2, 3, 2}), host.normal({3, 2, 2})}));
}
