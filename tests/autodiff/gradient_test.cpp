#define THAW_TEST_HEAP_COUNTER_HOME
#include "thaw/autodiff/gradient.hpp"

#include "tests/meta/task.hpp"
#include "thaw/autodiff/hessian_vector.hpp"

using namespace thaw_test;

namespace {

struct Recorder {
  Host host;
  thaw::Tape<double> tape{host.context};
};

}  // namespace

TEST_CASE("each node is swept once: forty doublings, not 2^40 visits") {
  Recorder r;
  const V start = r.tape.leaf(r.host.of({}, {1.5}));
  V x = start;
  for (int i = 0; i < 40; ++i) x = thaw::add(x, x);
  CHECK(thaw::gradient(x, start).item() == 1099511627776.0);
  const std::int32_t before = r.tape.size();
  CHECK(thaw::gradient(x, start, thaw::differentiable).item() == 1099511627776.0);
  // The recorded gradient of a constant seed is constant: nothing was added to the tape.
  CHECK(r.tape.size() == before);
  V y = start;
  for (int i = 0; i < 8; ++i) y = thaw::mul(y, y);  // x^256
  const V slope = thaw::gradient(thaw::log(y), start, thaw::differentiable);
  CHECK(slope.item() == doctest::Approx(256 / 1.5).epsilon(1e-12));
}

TEST_CASE("the sweep stops at an intermediate value") {
  Recorder r;
  const A w = r.host.normal({4});
  const V x = r.tape.leaf(w);
  const V middle = thaw::exp(x);
  const V loss = thaw::sum(thaw::mul(middle, thaw::mul(middle, middle)));
  const A g = thaw::gradient(loss, middle);
  const A all = thaw::gradient(loss, x);
  for (Index i = 0; i < 4; ++i) {
    CHECK(g[i] == doctest::Approx(3 * std::exp(2 * w[i])).epsilon(1e-12));
    CHECK(all[i] == doctest::Approx(3 * std::exp(3 * w[i])).epsilon(1e-12));
  }
}

TEST_CASE("both an intermediate value and what it is made of") {
  Recorder r;
  const V x = r.tape.leaf(r.host.of({2}, {0.5, -2}));
  const V y = thaw::square(x);
  const V loss = thaw::sum(thaw::mul(y, x));
  const V wanted[] = {x, y};
  A out[2];
  const A one = r.host.of({}, {1});
  thaw::pull_back<A, double, thaw::Cpu>(loss, one, {wanted, 2, out});
  for (Index i = 0; i < 2; ++i) {
    CHECK(out[0][i] == doctest::Approx(3 * x[i] * x[i]));
    CHECK(out[1][i] == doctest::Approx(x[i]));
  }
}

TEST_CASE("a variable that the loss does not depend on gets zeros") {
  Recorder r;
  const V early = r.tape.leaf(r.host.normal({2, 2})), x = r.tape.leaf(r.host.normal({3}));
  const V unused = thaw::tanh(early);
  const V loss = thaw::sum(thaw::square(x));
  const V late = r.tape.leaf(r.host.normal({5}));
  for (const V& v : {early, unused, late}) {
    const A g = thaw::gradient(loss, v);
    CHECK(same_shape(g.shape, v.shape));
    for (const double d : g) CHECK(d == 0);
    const V recorded = thaw::gradient(loss, v, thaw::differentiable);
    CHECK(recorded.node == nullptr);
    for (const double d : recorded) CHECK(d == 0);
  }
}

TEST_CASE("constants are not recorded") {
  Recorder r;
  const A a = r.host.normal({3});
  const V c = r.tape.constant(a);
  const V y = thaw::exp(thaw::mul(c, a));
  CHECK(y.node == nullptr);
  CHECK(r.tape.size() == 0);
  const V x = r.tape.leaf(a);
  const V loss = thaw::sum(thaw::mul(thaw::exp(c), x));
  const A g = thaw::gradient(loss, x);
  for (Index i = 0; i < 3; ++i) CHECK(g[i] == doctest::Approx(std::exp(a[i])).epsilon(1e-12));
  for (const double d : thaw::gradient(thaw::sum(y), x)) CHECK(d == 0);
}

TEST_CASE("mixing frozen Arrays and recorded values keeps the gradient") {
  Recorder r;
  const A weight = r.host.normal({2, 3}), bias = r.host.normal({2});
  const V x = r.tape.leaf(r.host.normal({4, 3}));
  const A g = thaw::gradient(thaw::sum(thaw::linear(x, weight, bias)), x);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j) CHECK(g[i * 3 + j] == doctest::Approx(weight[j] + weight[3 + j]));
}

TEST_CASE("third derivative of x^5") {
  Recorder r;
  const V x = r.tape.leaf(r.host.of({}, {1.3}));
  const V y = thaw::mul(thaw::square(thaw::square(x)), x);
  const V first = thaw::gradient(y, x, thaw::differentiable);
  const V second = thaw::gradient(first, x, thaw::differentiable);
  const V third = thaw::gradient(second, x, thaw::differentiable);
  CHECK(first.item() == doctest::Approx(5 * std::pow(1.3, 4)).epsilon(1e-13));
  CHECK(second.item() == doctest::Approx(20 * std::pow(1.3, 3)).epsilon(1e-13));
  CHECK(third.item() == doctest::Approx(60 * std::pow(1.3, 2)).epsilon(1e-13));
  CHECK(thaw::gradient(third, x).item() == doctest::Approx(120 * 1.3).epsilon(1e-13));
}

TEST_CASE("rows of a table arrive as the rows that were touched") {
  Recorder r;
  constexpr std::int32_t ids[] = {3, 1, 3, -1}, offsets[] = {0, 1, 4};
  const A table_values = r.host.normal({50, 2});
  const V table = r.tape.leaf(table_values), w = r.tape.leaf(r.host.normal({2}));
  const thaw::Bags one{ids, nullptr, 2}, bags{ids, offsets, 2, true};
  const V loss = thaw::add(thaw::sum(thaw::square(thaw::mul(thaw::gather(table, one), w))),
                           thaw::sum(thaw::exp(thaw::gather(table, bags))));
  const V wanted[] = {table, w};
  A out[2];
  thaw::RowGradient<double, thaw::Cpu>* rows = nullptr;
  thaw::RowGradient<double, thaw::Cpu>** lists[] = {&rows, nullptr};
  thaw::pull_back<A, double, thaw::Cpu>(loss, r.host.of({}, {1}), {wanted, 2, out, lists});
  A collected = r.host.zeros({50, 2});
  int uses = 0;
  for (auto* at = rows; at != nullptr; at = at->next, ++uses)
    thaw::Cpu::scatter_add(r.host.context, at->bags, at->rows.data, 2, collected.data);
  CHECK(uses == 2);
  CHECK(difference(collected, thaw::gradient(loss, table)) < 1e-14);
  CHECK(difference(out[1], thaw::gradient(loss, w)) < 1e-14);
}

TEST_CASE("a table that is gathered from and used whole: rows add to its gradient and to no other's") {
  Recorder r;
  constexpr std::int32_t ids[] = {3, 1, 3, -1}, offsets[] = {0, 1, 4};
  const V table = r.tape.leaf(r.host.normal({6, 3})), other = r.tape.leaf(r.host.normal({6, 3}));
  const V first = thaw::gather(table, {ids, nullptr, 4}), second = thaw::gather(table, {ids, offsets, 2, true});
  const V tied = thaw::matmul(thaw::square(first), table, thaw::Transpose::second);
  // The slope of a sum reaches both of its terms as one array.
  const V loss = thaw::add(thaw::sum(thaw::exp(thaw::add(table, other))),
                           thaw::add(thaw::sum(thaw::square(tied)), thaw::sum(thaw::exp(second))));
  const V wanted[] = {table, other};
  A out[2];
  thaw::pull_back<A, double, thaw::Cpu>(loss, r.host.of({}, {1}), {wanted, 2, out});
  // The recorded sweep makes a table of zeros for every gather.
  CHECK(difference(out[0], thaw::gradient(loss, table, thaw::differentiable).array()) < 1e-12);
  CHECK(difference(out[1], thaw::gradient(loss, other, thaw::differentiable).array()) < 1e-12);
}

TEST_CASE("a model: settings are kept, every tensor gets its gradient") {
  Recorder r;
  const Task task(r.host);
  const Net<A> start = random_net(r.host);
  const Net<V> model = thaw::map_model<V>(start, [&](const thaw::Path&, const A& a) { return r.tape.leaf(a); });
  const V loss = task.query_loss(model);
  const Net<A> g = thaw::gradient(loss, model);
  thaw::for_each_tensor(
      [&](const thaw::Path&, const A& d, const V& v) { CHECK(difference(d, thaw::gradient(loss, v)) < 1e-13); }, g,
      model);
}

TEST_CASE("no heap allocation in a steady loop of first- and second-order steps") {
  Recorder r;
  const Task task(r.host);
  const Net<A> weights = random_net(r.host), v = random_net(r.host);
  long before = 0;
  double last = 0;
  for (int step = 0; step < 50; ++step) {
    thaw::Scope<double, thaw::Cpu> scope(r.tape);
    const Net<V> model = thaw::map_model<V>(weights, [&](const thaw::Path&, const A& a) { return r.tape.leaf(a); });
    const V loss = task.query_loss(model);
    const Net<A> first = thaw::gradient(loss, model);
    const Net<A> second = thaw::hessian_vector(loss, model, v);
    const double now = dot(first, v) + dot(second, v);
    if (step > 0) CHECK(now == last);
    last = now;
    if (step == 1) before = heap_allocations();  // the first comparison of numbers may have allocated
  }
  const long after = heap_allocations();
  CHECK(after == before);
}

TEST_CASE("a rewound tape reuses its memory and leaves older values usable") {
  Recorder r;
  const V x = r.tape.leaf(r.host.of({}, {2}));
  const V y = thaw::square(x);
  const std::size_t used = r.host.arena.used();
  for (int i = 0; i < 3; ++i) {
    thaw::Scope<double, thaw::Cpu> scope(r.tape);
    CHECK(thaw::gradient(thaw::mul(y, x), x).item() == 12);
  }
  CHECK(r.host.arena.used() == used);
  CHECK(thaw::gradient(thaw::mul(y, y), x).item() == 32);
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("a value used after its tape was rewound is caught") {
  Recorder r;
  V gone;
  {
    thaw::Scope<double, thaw::Cpu> scope(r.tape);
    gone = thaw::exp(r.tape.leaf(r.host.of({}, {2})));
  }
  CHECK(says(message_of([&] { (void)thaw::square(gone); }), "recorded before its tape was rewound"));
  CHECK(says(message_of([&] { (void)thaw::gradient(gone, gone); }), "rewound"));
  const V again = thaw::exp(r.tape.leaf(r.host.of({}, {3})));
  const V more = thaw::exp(again);
  CHECK(says(message_of([&] { (void)thaw::mul(more, gone); }), "recorded before its tape was rewound"));
}

TEST_CASE("operands of two tapes are caught") {
  Recorder r, s;
  const V x = r.tape.leaf(r.host.of({}, {2})), y = s.tape.leaf(s.host.of({}, {2}));
  CHECK(says(message_of([&] { (void)thaw::mul(x, y); }), "mul: operands live on two tapes"));
  CHECK(says(message_of([&] { (void)thaw::gradient(thaw::square(x), y); }), "two tapes"));
}

TEST_CASE("a loss of more than one element, and a row table that is not gathered") {
  Recorder r;
  const V x = r.tape.leaf(r.host.normal({2, 3})), w = r.tape.leaf(r.host.normal({4, 2}));
  CHECK(says(message_of([&] { (void)thaw::gradient(thaw::square(x), x); }), "the loss has shape (2, 3)"));
  const V loss = thaw::sum(thaw::matmul(w, x));
  A out;
  thaw::RowGradient<double, thaw::Cpu>* rows = nullptr;
  thaw::RowGradient<double, thaw::Cpu>** lists[] = {&rows};
  const A one = r.host.of({}, {1});
  CHECK(says(message_of([&] {
               thaw::pull_back<A, double, thaw::Cpu>(loss, one, {&x, 1, &out, lists});
             }),
             "may only be read by gather, not by matmul"));
}
#endif
