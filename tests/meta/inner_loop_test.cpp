// Inner loops against closed forms and against differences of the whole inner and outer map.
#include "thaw/meta/inner_loop.hpp"

#include "tests/meta/task.hpp"
#include "thaw/meta/stepwise.hpp"
#include "thaw/nn/linear.hpp"

using namespace thaw_test;

namespace {

template <thaw::Value T>
struct OneWeight {
  T w;
  static void each(auto&& visit, auto&... m) { visit("w", m.w...); }
};

// A user whose support loss is sum a (w - s)^2 / 2 and whose query loss is sum (w - q)^2 / 2, element by element: n
// steps of rate r leave w - s at (1 - r a)^n times what it was.
struct Quadratic {
  Host host;
  thaw::Tape<double> tape{host.context};
  A a, s, q, w, r;

  explicit Quadratic(const thaw::Shape& shape)
      : a(host.uniform(shape, 0.5, 3)),
        s(host.normal(shape)),
        q(host.normal(shape)),
        w(host.normal(shape)),
        r(host.uniform(shape, 0.05, 0.4)) {}

  auto support() const {
    return [this](int, const auto& m) {
      return thaw::scale(thaw::sum(thaw::mul(thaw::square(thaw::sub(m.w, s)), a)), 0.5);
    };
  }
  V query(const OneWeight<V>& m) const { return thaw::scale(thaw::sum(thaw::square(thaw::sub(m.w, q))), 0.5); }

  double factor(Index i, double rate) const { return 1 - rate * a[i]; }
  double end(Index i, int steps, double rate) const { return s[i] + std::pow(factor(i, rate), steps) * (w[i] - s[i]); }
  double exact(Index i, int steps, double rate) const {
    return (end(i, steps, rate) - q[i]) * std::pow(factor(i, rate), steps);
  }
  double first_order(Index i, int steps, double rate) const { return end(i, steps, rate) - q[i]; }
  double of_rate(Index i, int steps, double rate) const {
    return -(end(i, steps, rate) - q[i]) * steps * a[i] * std::pow(factor(i, rate), steps - 1) * (w[i] - s[i]);
  }
  // With the inner gradients as constants, a rate still moves the step that it belongs to.
  double of_rate_first_order(Index i, int steps, double rate) const {
    double moved = 0;
    for (int k = 0; k < steps; ++k) moved += a[i] * (end(i, k, rate) - s[i]);
    return -(end(i, steps, rate) - q[i]) * moved;
  }
};

}  // namespace

TEST_CASE("one parameter: meta-gradients of quadratics have their closed form, exact and first order") {
  Quadratic p({});
  const double rate = 0.3;
  for (const int steps : {0, 1, 2, 7}) {
    INFO(steps);
    const OneWeight<V> weights{p.tape.leaf(p.w)};
    const thaw::InnerLoop exact{.steps = steps, .rate = rate};
    const thaw::InnerLoop first{.steps = steps, .rate = rate, .order = thaw::MetaOrder::first_order};
    const auto fast = thaw::adapt(weights, exact, p.support());
    CHECK(fast.w.item() == doctest::Approx(p.end(0, steps, rate)).epsilon(1e-14));
    CHECK(thaw::gradient(p.query(fast), weights.w).item() == doctest::Approx(p.exact(0, steps, rate)).epsilon(1e-13));
    const auto cut = thaw::adapt(weights, first, p.support());
    CHECK(cut.w.item() == fast.w.item());
    CHECK(thaw::gradient(p.query(cut), weights.w).item() ==
          doctest::Approx(p.first_order(0, steps, rate)).epsilon(1e-13));
  }
}

TEST_CASE("rates of their own, one a tensor and one a parameter, have their closed form") {
  for (const bool per_element : {false, true}) {
    Quadratic p({5});
    const A rate = per_element ? p.r : p.host.uniform({}, 0.1, 0.3);
    const auto rate_of = [&](Index i) { return rate[per_element ? i : 0]; };
    for (const thaw::MetaOrder order : {thaw::MetaOrder::exact, thaw::MetaOrder::first_order}) {
      const int steps = 4;
      const OneWeight<V> weights{p.tape.leaf(p.w)}, rates{p.tape.leaf(rate)};
      const auto fast = thaw::adapt(weights, rates, thaw::InnerLoop{.steps = steps, .order = order}, p.support());
      const V loss = p.query(fast);
      const A g = thaw::gradient(loss, weights.w), of_rate = thaw::gradient(loss, rates.w);
      const bool is_exact = order == thaw::MetaOrder::exact;
      double together = 0;
      for (Index i = 0; i < 5; ++i) {
        const double r = rate_of(i);
        CHECK(g[i] == doctest::Approx(is_exact ? p.exact(i, steps, r) : p.first_order(i, steps, r)).epsilon(1e-12));
        const double want = is_exact ? p.of_rate(i, steps, r) : p.of_rate_first_order(i, steps, r);
        together += want;
        if (per_element) CHECK(of_rate[i] == doctest::Approx(want).epsilon(1e-12));
      }
      if (!per_element) CHECK(of_rate.item() == doctest::Approx(together).epsilon(1e-12));
    }
  }
}

TEST_CASE("stepwise learns rates like the unrolled loop, and as the closed form says") {
  for (const bool per_element : {false, true}) {
    Quadratic p({4});
    const OneWeight<A> start{p.w}, rates{per_element ? p.r : p.host.uniform({}, 0.1, 0.3)};
    OneWeight<A> out{p.host.normal({4})}, out_rates{p.host.normal(rates.w.shape)};
    const int steps = 9;
    thaw::stepwise_gradient(p.tape, start, steps, rates, p.support(), [&](const auto& m) { return p.query(m); }, out,
                            out_rates, {.copies = 2});
    double together = 0;
    for (Index i = 0; i < 4; ++i) {
      const double r = rates.w[per_element ? i : 0];
      CHECK(out.w[i] == doctest::Approx(p.exact(i, steps, r)).epsilon(1e-11));
      if (per_element) CHECK(out_rates.w[i] == doctest::Approx(p.of_rate(i, steps, r)).epsilon(1e-11));
      together += p.of_rate(i, steps, r);
    }
    if (!per_element) CHECK(out_rates.w.item() == doctest::Approx(together).epsilon(1e-11));
  }
}

namespace {

// A network with rates, and the query loss after the inner loop as a function of all numbers.
struct Whole {
  Host host;
  thaw::Tape<double> tape{host.context};
  Task task{host};
  Net<A> start = random_net(host);
  Net<A> rates = thaw::map_model<A>(start, [&](const thaw::Path& path, const A& a) {
    return host.uniform(path.text[0] == 'h' ? a.shape : thaw::Shape{}, 0.05, 0.3);
  });
  thaw::InnerLoop loop{.steps = 3, .local = {"hidden", "score", "embedding"}};

  Net<V> leaves(const Net<A>& model) {
    return thaw::map_model<V>(model, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  }
  V recorded(const Net<V>& weights, const Net<V>& steps) const {
    return task.query_loss(
        thaw::adapt(weights, steps, loop, [&](int k, const auto& m) { return task.support_loss(m, k); }));
  }
  double value(const Net<A>& weights, const Net<A>& steps) {
    thaw::Scope<double, thaw::Cpu> scope(tape);
    return recorded(leaves(weights), leaves(steps)).item();
  }
};

}  // namespace

TEST_CASE("the whole inner and outer map against differences: local and shared tensors, and their rates") {
  Whole f;
  const Net<V> weights = f.leaves(f.start), rates = f.leaves(f.rates);
  const V loss = f.recorded(weights, rates);
  const Net<A> g = thaw::gradient(loss, weights), of_rates = thaw::gradient(loss, rates);
  const double h = 1e-3;
  for (int tensor = 0; tensor < thaw::tensor_count(f.start); ++tensor) {
    INFO(tensor);
    const Net<A> w = random_direction(f.host, f.start, tensor), r = random_direction(f.host, f.rates, tensor);
    const auto at = [&](double d) { return f.value(moved(f.host, f.start, w, d), f.rates); };
    const auto rated = [&](double d) { return f.value(f.start, moved(f.host, f.rates, r, d)); };
    const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    const double numeric_rate = (8 * (rated(h) - rated(-h)) - (rated(2 * h) - rated(-2 * h))) / (12 * h);
    CHECK(std::fabs(dot(g, w) - numeric) < 1e-6 * std::fmax(1e-2, std::fabs(numeric)));
    CHECK(std::fabs(dot(of_rates, r) - numeric_rate) < 1e-6 * std::fmax(1e-2, std::fabs(numeric_rate)));
    // The rates of tensors that do not adapt do nothing: query and key are the second and third.
    if (tensor == 1 || tensor == 2)
      CHECK(dot(of_rates, r) == 0);
    else
      CHECK(std::fabs(dot(of_rates, r)) > 1e-8);
  }
}

TEST_CASE("tensors are chosen by whole parts of their path; the others stay the same values") {
  Whole f;
  const Net<V> weights = f.leaves(f.start);
  const auto support = [&](int k, const auto& m) { return f.task.support_loss(m, k); };
  const auto changed = [&](const thaw::LocalPart& local) {
    const Net<V> fast = thaw::adapt(weights, {.steps = 2, .rate = 0.1, .local = local}, support);
    int bits = 0, bit = 1;
    thaw::for_each_unnamed(
        [&](const V& before, const V& after) {
          bits += before.data != after.data ? bit : 0;
          bit *= 2;
        },
        weights, fast);
    return bits;
  };
  CHECK(changed({}) == 0b1111111);
  CHECK(changed({"embedding"}) == 0b0000001);
  CHECK(changed({"hidden"}) == 0b0011000);
  CHECK(changed({"hidden.bias", "key"}) == 0b0010100);
  CHECK(changed({"score.weight", "score.bias", "query"}) == 0b1100010);
  const thaw::LocalPart part{"hid", "scor", "ke.y"};
  thaw::for_each_tensor([&](const thaw::Path& path, const V&) { CHECK_FALSE(part.holds(path)); }, weights);
}

TEST_CASE("a plan of rates has the paths of the model, and starts where it was told") {
  const thaw::Linear<thaw::Spec> plan = thaw::linear_spec(3, 2);
  const auto one = thaw::rates_spec(plan, 0.25, thaw::RateShape::per_tensor);
  const auto all = thaw::rates_spec(plan, 0.5, thaw::RateShape::per_element);
  CHECK(one.weight.shape == thaw::Shape{});
  CHECK(one.weight.init.scale == 0.25);
  CHECK(one.bias.init.kind == thaw::Init::Kind::constant);
  CHECK(all.weight.shape == thaw::Shape{2, 3});
  CHECK(all.bias.shape == thaw::Shape{2});
  CHECK(all.bias.init.scale == 0.5);
}
