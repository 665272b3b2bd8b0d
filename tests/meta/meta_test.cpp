#define THAW_TEST_HEAP_COUNTER_HOME
#include "tests/meta/task.hpp"
#include "thaw/meta/stepwise.hpp"
#include "thaw/meta/unroll.hpp"

using namespace thaw_test;

namespace {

struct Fixture {
  Host host;
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Tape<double> tape{context};
  Task task{host};
  Net<A> start = random_net(host), meta = random_net(host);

  Net<V> leaves(const Net<A>& model) {
    return thaw::map_model<V>(model, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  }
  auto support() const {
    return [this](int step, const auto& model) { return task.support_loss(model, step); };
  }
  double unrolled(int steps, thaw::MetaOrder order, Net<A>& out) {
    thaw::Scope<double, thaw::Cpu> scope(tape);
    const Net<V> weights = leaves(start);
    const V loss = task.query_loss(thaw::unroll(weights, steps, kRate, support(), order));
    const double value = loss.item();
    copy(thaw::gradient(loss, weights), out);
    return value;
  }
  double stepwise(int steps, Net<A>& out) {
    return thaw::stepwise_gradient(
        tape, start, steps, kRate, support(), [this](const auto& model) { return task.query_loss(model); }, out);
  }
  // The query loss after the inner loop from the given weights, by plain gradients alone.
  double adapted_loss(const Net<A>& from, int steps) {
    thaw::Scope<double, thaw::Cpu> scope(tape);
    Net<A> model = from;
    for (int k = 0; k < steps; ++k) {
      const Net<V> recorded = leaves(model);
      model = thaw::descend(model, thaw::gradient(task.support_loss(recorded, k), recorded), kRate);
    }
    return task.query_loss(model).item();
  }
};

}  // namespace

namespace {
template <thaw::Value T>
struct OneWeight {
  T w;
  static void each(auto&& visit, auto&... m) { visit("w", m.w...); }
};
}  // namespace

TEST_CASE("closed form, in float: descent on a w^2 / 2 multiplies w by (1 - rate a) each step") {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Tape<float> tape(context);
  using F = thaw::Array<float>;
  float w = 1.5f, result = 0;
  const OneWeight<F> start{F::view(context, &w, {})};
  OneWeight<F> out{F::view(context, &result, {})};
  const double rate = 0.1, a[] = {2, 3, 0.5, -1};
  const auto inner = [&](int k, const auto& m) { return thaw::scale(thaw::square(m.w), a[k] / 2); };
  const auto outer = [](const auto& m) { return thaw::scale(thaw::square(m.w), 0.5); };
  double factor = 1;
  for (const double curvature : a) factor *= 1 - rate * curvature;
  const float loss = thaw::stepwise_gradient(tape, start, 4, rate, inner, outer, out);
  CHECK(loss == doctest::Approx(0.5 * factor * factor * 1.5 * 1.5).epsilon(1e-6));
  CHECK(result == doctest::Approx(factor * factor * 1.5).epsilon(1e-6));
  const OneWeight<thaw::Var<float>> weights{tape.leaf(start.w)};
  const auto fast = thaw::unroll(weights, 4, rate, inner);
  CHECK(thaw::gradient(outer(fast), weights.w).item() == doctest::Approx(factor * factor * 1.5).epsilon(1e-6));
  const auto constant = thaw::unroll(weights, 4, rate, inner, thaw::MetaOrder::first_order);
  CHECK(thaw::gradient(outer(constant), weights.w).item() == doctest::Approx(factor * 1.5).epsilon(1e-6));
}

TEST_CASE("unroll equals stepwise equals finite differences, 3 and 10 steps") {
  Fixture f;
  for (const int steps : {0, 1, 3, 10}) {
    INFO(steps);
    Net<A> by_steps = random_net(f.host), first = random_net(f.host);
    const double loss = f.unrolled(steps, thaw::MetaOrder::exact, f.meta);
    const double same = f.stepwise(steps, by_steps);
    CHECK(loss == doctest::Approx(same).epsilon(1e-13));
    const double apart = relative_distance(by_steps, f.meta);
    f.unrolled(steps, thaw::MetaOrder::first_order, first);
    const double first_apart = relative_distance(first, f.meta);
    // Four-point differences along a random direction of each tensor alone.
    double worst = 0;
    for (int tensor = 0; tensor < thaw::tensor_count(f.start); ++tensor) {
      const Net<A> direction = random_direction(f.host, f.start, tensor);
      const auto at = [&](double h) { return f.adapted_loss(moved(f.host, f.start, direction, h), steps); };
      const double h = 1e-3, numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      const double exact = dot(f.meta, direction);
      worst = std::fmax(worst, std::fabs(exact - numeric) / std::fmax(1e-2, std::fabs(numeric)));
    }
    CHECK(apart < 1e-10);
    CHECK(worst < 1e-6);
    if (steps == 0)
      CHECK(first_apart < 1e-14);
    else
      CHECK(first_apart > 1e-2);
    if (std::getenv("THAW_TEST_VERBOSE") != nullptr)
      std::fprintf(stderr, "%2d steps: stepwise - unroll %.1e, differences %.1e, first order off by %.2f\n", steps,
                   apart, worst, first_apart);
  }
}

TEST_CASE("the inner loop lowers the support loss, so the test means something") {
  Fixture f;
  thaw::Scope<double, thaw::Cpu> scope(f.tape);
  const Net<V> weights = f.leaves(f.start);
  const Net<V> fast = thaw::unroll(weights, 10, kRate, [&](int, const auto& m) { return f.task.support_loss(m, 0); });
  CHECK(f.task.support_loss(fast, 0).item() < 0.8 * f.task.support_loss(weights, 0).item());
}

TEST_CASE("tensors that the inner loop leaves alone get their direct and indirect gradient") {
  Fixture f;
  const A shift = f.host.normal({1}), gain = f.host.normal({1});
  Net<A> out = random_net(f.host);
  Extra<A> extra{shift, gain}, out_extra{f.host.zeros({1}), f.host.zeros({1})};
  const int steps = 4;
  const auto inner = [&](int step, const auto& model, const auto& s) {
    return thaw::mul(f.task.support_loss(model, step), thaw::shift(thaw::square(s.gain), 0.5));
  };
  const auto outer = [&](const auto& model, const auto& s) {
    return thaw::add(f.task.query_loss(model), thaw::square(thaw::mul(s.shift, s.gain)));
  };
  const double loss = thaw::stepwise_gradient(f.tape, f.start, extra, steps, kRate, inner, outer, out, out_extra);
  thaw::Scope<double, thaw::Cpu> scope(f.tape);
  const Net<V> weights = f.leaves(f.start);
  const Extra<V> shared{f.tape.leaf(shift), f.tape.leaf(gain)};
  const V unrolled =
      outer(thaw::unroll(weights, steps, kRate, [&](int k, const auto& m) { return inner(k, m, shared); }), shared);
  CHECK(loss == doctest::Approx(unrolled.item()).epsilon(1e-13));
  CHECK(relative_distance(out, thaw::gradient(unrolled, weights)) < 1e-10);
  CHECK(out_extra.shift.item() == doctest::Approx(thaw::gradient(unrolled, shared.shift).item()).epsilon(1e-11));
  CHECK(out_extra.gain.item() == doctest::Approx(thaw::gradient(unrolled, shared.gain).item()).epsilon(1e-11));
  // The direct part alone is something else: the indirect one is not zero.
  CHECK(std::fabs(out_extra.gain.item() - 2 * shift[0] * shift[0] * gain[0]) > 1e-4);
}

TEST_CASE("64 steps of stepwise take the memory of 5, and the numbers are those of unroll") {
  std::size_t five = 0;
  for (const int steps : {1, 2, 5, 6, 7, 10, 16, 33, 64}) {
    INFO(steps);
    Fixture a, b;
    int asked = 0;
    const double loss = thaw::stepwise_gradient(
        a.tape, a.start, steps, kRate,
        [&](int step, const auto& model) {
          ++asked;
          return a.task.support_loss(model, step);
        },
        [&](const auto& model) { return a.task.query_loss(model); }, a.meta);
    CHECK(loss == doctest::Approx(b.unrolled(steps, thaw::MetaOrder::exact, b.meta)).epsilon(1e-12));
    CHECK(relative_distance(a.meta, b.meta) < 1e-9);
    if (steps == 5) five = a.arena.peak();
    if (steps < 5) CHECK((five == 0 || a.arena.peak() <= five));
    if (steps > 5) CHECK(a.arena.peak() == five);
    if (steps >= 5) CHECK(b.arena.peak() > static_cast<std::size_t>(steps) * a.arena.peak() / 6);
    // Forward once and backward once each, and no more than that up to five steps.
    if (steps <= 5) CHECK(asked == 2 * steps);
    CHECK(asked <= 5 * steps);
    if (std::getenv("THAW_TEST_VERBOSE") != nullptr)
      std::fprintf(stderr, "%2d steps: stepwise %zu bytes, %d losses; unroll %zu bytes\n", steps, a.arena.peak(), asked,
                   b.arena.peak());
  }
}

TEST_CASE("any number of copies gives the same gradient; fewer copies take less memory and more steps") {
  Fixture reference;
  reference.stepwise(12, reference.meta);
  std::size_t before = 0;
  int asked_before = 1 << 20;
  for (const int copies : {0, 1, 2, 3, 5, 11}) {
    INFO(copies);
    Fixture f;
    int asked = 0;
    thaw::stepwise_gradient(
        f.tape, f.start, 12, kRate,
        [&](int step, const auto& model) {
          ++asked;
          return f.task.support_loss(model, step);
        },
        [&](const auto& model) { return f.task.query_loss(model); }, f.meta, {.copies = copies});
    CHECK(relative_distance(f.meta, reference.meta) == 0);
    CHECK(f.arena.peak() > before);
    CHECK(asked < asked_before);
    before = f.arena.peak();
    asked_before = asked;
    // Back over 12 steps, and as many forward as the best of all schedules needs: values of its recursion
    // F(n, s) = min over m of m + F(n - m, s - 1) + F(m, s), computed by another program.
    const int optimum[] = {67, 29, 22, 19, 0, 17, 0, 0, 0, 0, 0, 12};
    CHECK(asked == 12 + optimum[copies]);
  }
}

TEST_CASE("no heap allocation in a hundred meta-steps after the first") {
  Fixture f;
  for (const bool by_steps : {false, true}) {
    long before = 0;
    for (int meta_step = 0; meta_step <= 100; ++meta_step) {
      if (meta_step == 1) before = heap_allocations();
      if (by_steps)
        f.stepwise(3, f.meta);
      else
        f.unrolled(3, thaw::MetaOrder::exact, f.meta);
      thaw::for_each_tensor(
          [](const thaw::Path&, A& w, const A& g) {
            for (Index i = 0; i < w.size(); ++i) w[i] -= 0.01 * g[i];
          },
          f.start, f.meta);
    }
    CHECK(heap_allocations() == before);
  }
}
