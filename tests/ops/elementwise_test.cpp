#include "thaw/ops/elementwise.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

namespace {

// Values against a plain function of one number, gradients by differences.
template <class Op>
void check_unary(const char* name, Host& host, const A& x, double (*expected)(double), Op op) {
  INFO(name);
  const A y = op(x);
  CHECK(same_shape(y.shape, x.shape));
  for (Index i = 0; i < x.size(); ++i) CHECK(y[i] == doctest::Approx(expected(x[i])).epsilon(1e-12));
  hold(name, thaw::check_gradient([&](const auto& v) { return op(v); }, {x}));
  (void)host;
}

double gelu_by_erfc(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("unary functions: values and derivatives to second order") {
  Host host;
  const A x = host.normal({3, 4}), positive = host.uniform({3, 4}, 0.3, 3), apart = host.away_from_zero({3, 4}, 0.1);
  check_unary(
      "tanh", host, x, [](double v) { return std::tanh(v); }, [](const auto& v) { return thaw::tanh(v); });
  check_unary(
      "sigmoid", host, x, [](double v) { return 0.5 * (1 + std::tanh(v / 2)); },
      [](const auto& v) { return thaw::sigmoid(v); });
  check_unary(
      "exp", host, x, [](double v) { return std::exp(v); }, [](const auto& v) { return thaw::exp(v); });
  check_unary(
      "log", host, positive, [](double v) { return std::log(v); }, [](const auto& v) { return thaw::log(v); });
  check_unary(
      "sqrt", host, positive, [](double v) { return std::sqrt(v); }, [](const auto& v) { return thaw::sqrt(v); });
  check_unary(
      "square", host, x, [](double v) { return v * v; }, [](const auto& v) { return thaw::square(v); });
  check_unary(
      "erf", host, x, [](double v) { return std::erf(v); }, [](const auto& v) { return thaw::erf(v); });
  check_unary("gelu", host, x, gelu_by_erfc, [](const auto& v) { return thaw::gelu(v); });
  check_unary(
      "softplus", host, x, [](double v) { return std::log(1 + std::exp(v)); },
      [](const auto& v) { return thaw::softplus(v); });
  check_unary(
      "relu", host, apart, [](double v) { return v > 0 ? v : 0.0; }, [](const auto& v) { return thaw::relu(v); });
  check_unary(
      "abs", host, apart, [](double v) { return std::fabs(v); }, [](const auto& v) { return thaw::abs(v); });
  check_unary(
      "scale", host, x, [](double v) { return -1.7 * v; }, [](const auto& v) { return thaw::scale(v, -1.7); });
  check_unary(
      "shift", host, x, [](double v) { return v + 0.6; }, [](const auto& v) { return thaw::shift(v, 0.6); });
}

TEST_CASE("functions that could overflow do not") {
  Host host;
  const A x = host.of({4}, {-800, 800, -40, 40});
  const A softplus = thaw::softplus(x), sigmoid = thaw::sigmoid(x), tanh = thaw::tanh(x), gelu = thaw::gelu(x);
  CHECK(softplus[0] == 0);
  CHECK(softplus[1] == 800);
  CHECK(sigmoid[0] == doctest::Approx(0));
  CHECK(sigmoid[1] == 1);
  CHECK(tanh[0] == -1);
  CHECK(tanh[1] == 1);
  CHECK(gelu[0] == doctest::Approx(0));
  CHECK(gelu[1] == 800);
}

TEST_CASE("third derivatives of composed functions") {
  Host host;
  const A x = host.normal({5});
  thaw::CheckOptions options;
  options.order = 3;
  options.step = 3e-3;
  const auto r = thaw::check_gradient(
      [](const auto& v) { return thaw::mul(thaw::gelu(v), thaw::softplus(thaw::tanh(v))); }, {x}, options);
  CHECK(r.error_at(1) < 1e-7);
  CHECK(r.error_at(2) < 1e-6);
  CHECK(r.error_at(3) < 1e-5);
}

TEST_CASE("binary functions with broadcasting") {
  Host host;
  struct Case {
    thaw::Shape a, b, wide;
  };
  const Case cases[] = {{{2, 3}, {2, 3}, {2, 3}},       {{2, 3}, {3}, {2, 3}},      {{3}, {2, 3}, {2, 3}},
                        {{2, 1}, {1, 3}, {2, 3}},       {{2, 3}, {}, {2, 3}},       {{4, 1, 3}, {2, 1}, {4, 2, 3}},
                        {{1, 1, 3}, {2, 1}, {1, 2, 3}}, {{2, 2, 1}, {1}, {2, 2, 1}}};
  for (const Case& c : cases) {
    const A a = host.normal(c.a), b = host.away_from_zero(c.b, 0.5);
    const A sum = thaw::add(a, b), minus = thaw::sub(a, b), times = thaw::mul(a, b), over = thaw::div(a, b);
    CHECK(same_shape(sum.shape, c.wide));
    // Index of the element of a narrow operand that meets element i of the wide one.
    const auto meets = [&](const thaw::Shape& narrow, Index i) {
      Index at = 0, step = 1;
      for (int axis = c.wide.rank - 1, k = narrow.rank - 1; axis >= 0; --axis, --k) {
        const Index position = i % c.wide[axis];
        i /= c.wide[axis];
        if (k < 0) continue;
        at += narrow[k] == 1 ? 0 : position * step;
        step *= narrow[k];
      }
      return at;
    };
    for (Index i = 0; i < sum.size(); ++i) {
      const double x = a[meets(c.a, i)], y = b[meets(c.b, i)];
      CHECK(sum[i] == doctest::Approx(x + y).epsilon(1e-14));
      CHECK(minus[i] == doctest::Approx(x - y).epsilon(1e-14));
      CHECK(times[i] == doctest::Approx(x * y).epsilon(1e-14));
      CHECK(over[i] == doctest::Approx(x / y).epsilon(1e-14));
    }
    hold("add", thaw::check_gradient([](const auto& x, const auto& y) { return thaw::add(x, y); }, {a, b}));
    hold("sub", thaw::check_gradient([](const auto& x, const auto& y) { return thaw::sub(x, y); }, {a, b}));
    hold("mul", thaw::check_gradient([](const auto& x, const auto& y) { return thaw::mul(x, y); }, {a, b}));
    hold("div", thaw::check_gradient([](const auto& x, const auto& y) { return thaw::div(x, y); }, {a, b}));
  }
}

TEST_CASE("an operand used twice gets both gradients") {
  Host host;
  const A x = host.away_from_zero({4}, 0.5);
  hold("x * x / (x + x x)",
       thaw::check_gradient(
           [](const auto& v) { return thaw::div(thaw::mul(v, v), thaw::shift(thaw::add(thaw::mul(v, v), v), 9)); },
           {x}));
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("operands that do not broadcast: the message names both shapes") {
  Host host;
  const A a = host.zeros({2, 3}), b = host.zeros({2, 4});
  const thaw::Fault fault = message_of([&] { (void)thaw::mul(a, b); });
  CHECK(says(fault, "mul"));
  CHECK(says(fault, "(2, 3)"));
  CHECK(says(fault, "(2, 4)"));
}
#endif
