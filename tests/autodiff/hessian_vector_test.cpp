#include "thaw/autodiff/hessian_vector.hpp"

#include "tests/meta/task.hpp"

using namespace thaw_test;

TEST_CASE("the Hessian of a quadratic is its matrix") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const A m = host.normal({5, 5}), v = host.normal({5});
  const V x = tape.leaf(host.normal({5}));
  // x^T M x: Hessian M + M^T.
  const V column = thaw::reshape(x, {5, 1});
  const V loss = thaw::sum(thaw::mul(column, thaw::matmul(m, column)));
  const A got = thaw::hessian_vector(loss, x, v);
  for (Index i = 0; i < 5; ++i) {
    double expected = 0;
    for (Index j = 0; j < 5; ++j) expected += (m[i * 5 + j] + m[j * 5 + i]) * v[j];
    CHECK(got[i] == doctest::Approx(expected).epsilon(1e-13));
  }
}

TEST_CASE("a linear loss has a Hessian of zeros") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V x = tape.leaf(host.normal({3}));
  for (const double h : thaw::hessian_vector(thaw::sum(x), x, host.normal({3}))) CHECK(h == 0);
}

TEST_CASE("a model: against differences of the gradient, and symmetric") {
  Host host;
  const Task task(host);
  const Net<A> start = random_net(host), v = random_net(host), u = random_net(host);
  thaw::Tape<double> tape(host.context);
  const auto recorded = [&](const Net<A>& at) {
    return thaw::map_model<V>(at, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  };
  const auto gradient_at = [&](double h) {
    const Net<V> model = recorded(moved(host, start, v, h));
    return thaw::gradient(task.query_loss(model), model);
  };
  const Net<V> model = recorded(start);
  const V loss = task.query_loss(model);
  const Net<A> hv = thaw::hessian_vector(loss, model, v), hu = thaw::hessian_vector(loss, model, u);
  const double h = 1e-3;
  const Net<A> g1 = gradient_at(h), g2 = gradient_at(-h), g3 = gradient_at(2 * h), g4 = gradient_at(-2 * h);
  Net<A> numeric = random_net(host);
  copy(moved(host,
             moved(host,
                   moved(host,
                         thaw::map_model<A>(
                             g1, [&](const thaw::Path&, const A& a) { return thaw::scale(a, 8 / (12 * h)); }),
                         g2, -8 / (12 * h)),
                   g3, -1 / (12 * h)),
             g4, 1 / (12 * h)),
       numeric);
  CHECK(relative_distance(hv, numeric) < 1e-8);
  CHECK(dot(u, hv) == doctest::Approx(dot(v, hu)).epsilon(1e-12));
  CHECK(std::fabs(dot(u, hv)) > 1e-3);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("a vector of another shape is named with both") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const V x = tape.leaf(host.normal({3}));
  const V loss = thaw::sum(thaw::square(x));
  const thaw::Fault fault = message_of([&] { (void)thaw::hessian_vector(loss, x, host.normal({1, 3})); });
  CHECK(says(fault, "(3)"));
  CHECK(says(fault, "(1, 3)"));
}
#endif
