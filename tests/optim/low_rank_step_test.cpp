// The factors against the whole gradient of the matrix, with and without an inner loop; the steps against dense ones.
#include "thaw/optim/low_rank_step.hpp"

#include "tests/optim/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"
#include "thaw/meta/unroll.hpp"
#include "thaw/nn/hypernetwork.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"
#include "thaw/optim/sgd.hpp"

using namespace optim_test;
using thaw_test::A;
using thaw_test::difference;
using thaw_test::V;

namespace {

constexpr Index kCode = 4, kIn = 3;
enum class Inner { none, weights, code };

template <thaw::Value T>
struct Code {
  T code;
  static void each(auto&& visit, auto&... m) { visit("code", m.code...); }
};

// A generated linear layer on fixed inputs; one gradient step on the generated weights or on the code, and the loss
// after it.
struct Problem {
  A x[2], y[2];
  thaw::Linear<thaw::Spec> target = thaw::linear_spec(kIn, 2);

  explicit Problem(Host& host) {
    for (A& a : x) a = host.normal({5, kIn});
    for (A& a : y) a = host.normal({5, 2});
  }
  V loss(const thaw::Linear<V>& layer, int part) const { return thaw::mse(thaw::tanh(layer(x[part])), y[part]); }
  V meta_loss(const thaw::Hypernetwork<V>& heads, const V& code, Inner inner) const {
    if (inner == Inner::code) {
      const auto moved = thaw::unroll(
          Code<V>{code}, 2, 0.3, [&](int, const Code<V>& now) { return loss(heads.generate(target, now.code), 0); });
      return loss(heads.generate(target, moved.code), 1);
    }
    const thaw::Linear<V> made = heads.generate(target, code);
    const int steps = inner == Inner::weights ? 2 : 0;
    return loss(thaw::unroll(made, steps, 0.3, [&](int, const thaw::Linear<V>& now) { return loss(now, 0); }), 1);
  }
};

thaw::Hypernetwork<A> random_heads(Host& host, const thaw::Linear<thaw::Spec>& target) {
  return thaw::map_model<A>(thaw::hypernetwork_spec(target, kCode, {.slope = 0.3}),
                            [&](const thaw::Path&, const thaw::Spec& s) { return host.normal(s.shape); });
}

A product_of(Host& host, const thaw::LowRankGradient<double>& g) {
  return g.rank() == 0 ? host.zeros(g.matrix_shape()) : thaw::matmul(g.left(), g.right(), thaw::Transpose::first);
}

}  // namespace

TEST_CASE("the factors multiply to the whole gradient: no inner loop, steps on the weights, steps on the code") {
  for (const Inner inner : {Inner::none, Inner::weights, Inner::code}) {
    Host host;
    const Problem problem(host);
    const auto heads = random_heads(host, problem.target);
    const A code = host.normal({1, kCode});
    thaw::Tape<double> tape(host.context);

    const auto whole = thaw::map_model<V>(heads, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
    const V dense_loss = problem.meta_loss(whole, tape.leaf(code), inner);
    const auto want = thaw::gradient(dense_loss, whole);

    A matrices[2] = {heads.heads[0].matrix, heads.heads[1].matrix};
    thaw::LowRankGradient<double> factors[2] = {{host.context, matrices[0].shape, 16},
                                                {host.context, matrices[1].shape, 16}};
    auto thin = thaw::map_model<V>(heads, [&](const thaw::Path&, const A& a) { return tape.constant(a); });
    V leaves[2];
    for (int i = 0; i < 2; ++i) leaves[i] = thin.heads[i].bias[0] = tape.leaf(heads.heads[i].bias[0]);
    const V loss = problem.meta_loss(thin, tape.leaf(code), inner);
    CHECK(loss.item() == doctest::Approx(dense_loss.item()).epsilon(1e-14));
    A biases[2];
    thaw::low_rank_sweep<double, thaw::Cpu>(loss, {leaves, 2, biases}, {matrices, 2, factors, 0.5});
    thaw::low_rank_sweep<double, thaw::Cpu>(loss, {leaves, 2, biases}, {matrices, 2, factors, 0.5});
    for (int i = 0; i < 2; ++i) {
      CHECK(factors[i].rank() == (inner == Inner::code ? 2 * 5 : 2));  // three forward products and two backward
      CHECK(difference(product_of(host, factors[i]), want.heads[i].matrix) < 1e-13);
      CHECK(difference(biases[i], want.heads[i].bias[0]) < 1e-13);
    }
  }
}

TEST_CASE("rank one: without an inner loop the gradient is the code times the slope of the activation") {
  Host host;
  const Problem problem(host);
  auto heads = random_heads(host, problem.target);
  for (double& b : heads.heads[0].bias[0]) b = -50;  // a relu head that is dead
  heads.heads[0].slope = 0;
  const A code = host.normal({1, kCode});
  thaw::Tape<double> tape(host.context);
  const auto whole = thaw::map_model<V>(heads, [&](const thaw::Path&, const A& a) { return tape.leaf(a); });
  const auto made = whole.generate(problem.target, tape.constant(code));
  const V loss = problem.loss(made, 0);
  const auto g = thaw::gradient(loss, whole);
  for (const double d : g.heads[0].matrix) CHECK(d == 0);
  const auto d_made = thaw::gradient(loss, made);
  for (Index i = 0; i < kCode; ++i)
    for (Index j = 0; j < 2; ++j) {
      double z = heads.heads[1].bias[0][j];
      for (Index k = 0; k < kCode; ++k) z += code[k] * heads.heads[1].matrix[2 * k + j];
      CHECK(g.heads[1].matrix[2 * i + j] ==
            doctest::Approx(code[i] * (z > 0 ? 1 : 0.3) * d_made.bias[j]).epsilon(1e-12));
    }
}

TEST_CASE("steps equal the dense optimiser's on the product, on both backends and across tiles") {
  constexpr Index kRows = 7, kColumns = 16384 + 451, kTerms = 5;
  const auto run = [&](auto& context, auto backend) {
    using B = decltype(backend);
    using F = thaw::Array<float, B>;
    thaw::Philox rng(3);
    const auto random = [&](const thaw::Shape& shape) {
      const F out = F::make(context, shape);
      for (float& x : out) x = static_cast<float>(rng.normal());
      return out;
    };
    thaw::Parameters<One<thaw::Spec>, float, B> parameters({thaw::Spec{{kRows, kColumns}, {}}}, context, 1);
    const F start = random({kRows, kColumns}), matrix = F::make(context, start.shape);
    std::copy(start.begin(), start.end(), matrix.begin());
    std::copy(start.begin(), start.end(), parameters.slot(0).value.begin());
    thaw::Adam<float, B> dense(parameters);
    thaw::LowRankAdam<float, B> thin(context, matrix.shape);
    thaw::LowRankGradient<float, B> factors(context, matrix.shape, kTerms);
    for (int step = 0; step < 3; ++step) {
      factors.clear();
      // The second step has nothing to say: momentum moves on alone.
      if (step != 1)
        for (Index t = 0; t < kTerms; ++t) factors.add(random({1, kRows}), random({1, kColumns}), 0.7);
      F g = F::make(context, start.shape);
      for (float& x : g) x = 0;
      if (step != 1) g = thaw::matmul(factors.left(), factors.right(), thaw::Transpose::first);
      thaw::RowGradient<float, B>* none = nullptr;
      dense.step(parameters, {1, &g, &none}, 0.01);
      thin.step(context, factors, matrix, 0.01);
    }
    double worst = 0;
    for (Index i = 0; i < matrix.size(); ++i)
      worst = std::fmax(worst, std::fabs(static_cast<double>(matrix[i] - parameters.slot(0).value[i])));
    CHECK(worst < 1e-5);
    CHECK(std::fabs(static_cast<double>(matrix[5] - start[5])) > 1e-3);
  };
  thaw::GrowingArena arena;
  thaw::Cpu::Context plain{&arena};
  run(plain, thaw::Cpu{});
  thaw::CpuEigen::Context fast{&arena};
  run(fast, thaw::CpuEigen{});
}

TEST_CASE("plain descent takes rate times the product; clipping bounds each element") {
  Host host;
  const A matrix = host.normal({3, 4}), before = host.zeros({3, 4});
  std::copy(matrix.begin(), matrix.end(), before.begin());
  thaw::LowRankGradient<double> factors(host.context, matrix.shape, 2);
  thaw::low_rank_sgd(host.context, factors, matrix, 0.5);
  CHECK(difference(matrix, before) == 0);
  const A left = host.normal({2, 3}), right = host.normal({2, 4});
  factors.add(left, right);
  thaw::low_rank_sgd(host.context, factors, matrix, 0.5);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 4; ++j)
      CHECK(matrix[4 * i + j] ==
            doctest::Approx(before[4 * i + j] - 0.5 * (left[i] * right[j] + left[3 + i] * right[4 + j])));
  // Moments of a clipped gradient: after one step the second moment is (1 - beta2) clip^2 at most.
  thaw::LowRankAdam<double> adam(host.context, matrix.shape, {.clip = 1e-3});
  adam.step(host.context, factors, matrix, 0.1);
  adam.each_state([&](const char*, const A& state) {
    for (const double x : state) CHECK(std::fabs(x) <= 1e-4 * 1.0000001);
  });
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("misuse is named: too many terms, other shapes, a matrix read by something else") {
  Host host;
  thaw::LowRankGradient<double> factors(host.context, {3, 4}, 1);
  factors.add(host.normal({1, 3}), host.normal({1, 4}));
  CHECK(thaw_test::says(thaw_test::message_of([&] {
                          factors.add(host.normal({1, 3}), host.normal({1, 4}));
                        }),
                        "more than 1 terms"));
  CHECK(thaw_test::says(thaw_test::message_of([&] {
                          factors.add(host.normal({1, 4}), host.normal({1, 4}));
                        }),
                        "(1, 4)"));
  CHECK(thaw_test::says(thaw_test::message_of([&] {
                          thaw::low_rank_sgd(host.context, factors, host.normal({4, 4}), 0.1);
                        }),
                        "(4, 4)"));
  thaw::Tape<double> tape(host.context);
  const A matrix = host.normal({3, 4});
  const V loss = thaw::sum(thaw::mul(tape.leaf(host.normal({3, 4})), tape.constant(matrix)));
  CHECK(thaw_test::says(thaw_test::message_of([&] {
                          thaw::low_rank_sweep<double, thaw::Cpu>(loss, {nullptr, 0, nullptr}, {&matrix, 1, &factors});
                        }),
                        "read by mul"));
}
#endif
