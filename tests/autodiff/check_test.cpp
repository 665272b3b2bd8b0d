// The checker itself: it must find a wrong rule, and say where.
#include "thaw/autodiff/check.hpp"

#include "tests/ops/fixture.hpp"

using namespace thaw_test;

namespace {

// a * b whose rule for b is off by one part in a thousand.
struct WrongProduct : thaw::op::Binary<WrongProduct, thaw::op::TimesFunction> {
  static constexpr const char* name = "wrong_product";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, thaw::Adjoints<T>& d) {
    if (d.wants(0)) d.give(0, thaw::mul(g, in[1]));
    if (d.wants(1)) d.give(1, thaw::scale(thaw::mul(g, in[0]), 1.001));
  }
};
// x^2 whose recorded gradient has the right numbers but forgets that it depends on x: a wrong second derivative only.
struct Forgetful : thaw::op::Unary<Forgetful, thaw::Square> {
  static constexpr const char* name = "forgetful";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, thaw::Adjoints<T>& d) {
    const T constant = thaw::lift_to<T>(in[0].array(), in[0]);
    T frozen = constant;
    if constexpr (thaw::is_recorded<T>) frozen = in[0].tape->constant(in[0].array());
    d.give(0, thaw::scale(thaw::mul(g, frozen), 2));
  }
};
// Right for plain arrays, wrong when recorded.
struct TwoFaced : thaw::op::Unary<TwoFaced, thaw::Square> {
  static constexpr const char* name = "two_faced";
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, thaw::Adjoints<T>& d) {
    d.give(0, thaw::scale(thaw::mul(g, in[0]), thaw::is_recorded<T> ? 2.01 : 2));
  }
};

}  // namespace

TEST_CASE("a wrong first-order rule is found, with its argument") {
  Host host;
  const auto r =
      thaw::check_gradient([](const auto& a, const auto& b) { return thaw::apply_pair<WrongProduct>({}, a, b); },
                           {host.away_from_zero({3}, 0.5), host.away_from_zero({3}, 0.5)});
  CHECK(r.error_at(1) > 1e-4);
  CHECK(r.argument == 1);
  CHECK((r.subset & 2u) != 0);
  thaw::Fault text;
  text.add(r);
  CHECK(std::strstr(text.text, "argument 1") != nullptr);
}

TEST_CASE("a rule that is wrong at second order only is found there") {
  Host host;
  const auto r = thaw::check_gradient([](const auto& x) { return thaw::apply<Forgetful>({}, {x}); },
                                      {host.away_from_zero({3}, 0.5)});
  CHECK(r.error_at(1) < 1e-9);
  CHECK(r.error_at(2) > 0.1);
  CHECK(r.order == 2);
}

TEST_CASE("a recorded gradient with other numbers than the plain one is found") {
  Host host;
  const auto r = thaw::check_gradient([](const auto& x) { return thaw::apply<TwoFaced>({}, {x}); },
                                      {host.away_from_zero({3}, 0.5)});
  CHECK(r.error_at(1) > 1e-3);
}

TEST_CASE("a derivative that is not a number is an error, not a pass") {
  Host host;
  const auto r = thaw::check_gradient([](const auto& x) { return thaw::sqrt(x); }, {host.of({2}, {1, -1})});
  CHECK(r.error_at(1) > 1);
}

TEST_CASE("every subset is tried, and the arena is given back") {
  Host host;
  const A a = host.normal({2}), b = host.normal({2}), c = host.normal({2});
  const std::size_t before = host.arena.used();
  thaw::CheckOptions options;
  options.order = 1;
  options.projections = 1;
  const auto r = thaw::check_gradient(
      [](const auto& x, const auto& y, const auto& z) { return thaw::mul(thaw::mul(x, y), z); }, {a, b, c}, options);
  // Seven subsets; argument by argument 3 * 4 directions, each with two elements compared as recorded values.
  CHECK(r.comparisons == 12 * 3);
  CHECK(host.arena.used() == before);
}
