// Batch norm: the closed form, unbiased running variance, nothing before the commit, gradients through the statistics.
// Whole models with it are held to torch.nn.functional.batch_norm in tests/examples/mwuf_golden_test.cpp.
#include "thaw/nn/batch_norm.hpp"

#include "tests/nn/fixture.hpp"

using namespace nn_test;

namespace {

thaw::BatchNorm<A> some_norm(Host& host, Index width) {
  return {host.normal({width}), host.normal({width}), {host.normal({width}), host.uniform({width}, 0.5, 2), 1e-5, 0.1}};
}

}  // namespace

TEST_CASE("deployed: running statistics, along the last axis or another") {
  Host host;
  const auto norm = some_norm(host, 3);
  const A x = host.normal({4, 3}), y = norm(x);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j) {
      const double normal = (x[i * 3 + j] - norm.statistics.mean[j]) / std::sqrt(norm.statistics.variance[j] + 1e-5);
      CHECK(std::fabs(y[i * 3 + j] - normal * norm.weight[j] - norm.bias[j]) < 1e-14);
    }
  const A middle = host.normal({4, 3, 5});
  CHECK(difference(norm(middle, 1), thaw::permute(norm(thaw::permute(middle, {0, 2, 1})), {0, 2, 1})) < 1e-15);
  CHECK(difference(norm(middle, -2), norm(middle, 1)) == 0);
}

TEST_CASE(
    "training: zero mean and unit variance of the batch; a commit moves the running statistics a tenth of the way") {
  Host host;
  const auto norm = some_norm(host, 3);
  const A x = host.normal({6, 3});
  const double before[] = {norm.statistics.mean[1], norm.statistics.variance[1]};
  thaw::StatisticsUpdate<double> update;
  const A z = norm.statistics.train(x, update);
  double mean = 0, squares = 0, x_mean = 0, x_squares = 0;
  for (Index i = 0; i < 6; ++i) mean += z[i * 3 + 1] / 6, x_mean += x[i * 3 + 1] / 6;
  for (Index i = 0; i < 6; ++i) {
    squares += z[i * 3 + 1] * z[i * 3 + 1] / 6;
    x_squares += (x[i * 3 + 1] - x_mean) * (x[i * 3 + 1] - x_mean);
  }
  CHECK(std::fabs(mean) < 1e-14);
  CHECK(std::fabs(squares - 1) < 1e-4);
  CHECK(norm.statistics.mean[1] == before[0]);
  CHECK(norm.statistics.variance[1] == before[1]);
  CHECK(update.count() == 2);
  update.commit();
  CHECK(std::fabs(norm.statistics.mean[1] - (0.9 * before[0] + 0.1 * x_mean)) < 1e-14);
  CHECK(std::fabs(norm.statistics.variance[1] - (0.9 * before[1] + 0.1 * x_squares / 5)) < 1e-14);
  CHECK(update.count() == 0);
  const double after = norm.statistics.mean[1];
  update.commit();
  CHECK(norm.statistics.mean[1] == after);
}

TEST_CASE("one row alone: finite, and its variance is zero") {
  Host host;
  const auto norm = some_norm(host, 3);
  thaw::StatisticsUpdate<double> update;
  const A y = norm.train(host.normal({1, 3}), update);
  for (Index j = 0; j < 3; ++j) CHECK(std::fabs(y[j] - norm.bias[j]) < 1e-12);
  const double before = norm.statistics.variance[0];
  update.commit();
  CHECK(std::fabs(norm.statistics.variance[0] - 0.9 * before) < 1e-14);
}

TEST_CASE("gradients to second order, of input and weights, deployed and in training") {
  Host host;
  const A mean = host.normal({3}), variance = host.uniform({3}, 0.5, 2);
  for (const bool training : {false, true}) {
    const auto f = [&](const auto& x, const auto& w, const auto& b) {
      using T = thaw::Meet<std::decay_t<decltype(x)>, thaw::Meet<std::decay_t<decltype(w)>, std::decay_t<decltype(b)>>>;
      const T& like = thaw::detail::first_of<T>(x, w, b);
      const thaw::BatchNorm<T> norm{thaw::lift_to<T>(w, like),
                                    thaw::lift_to<T>(b, like),
                                    {thaw::lift_to<T>(mean, like), thaw::lift_to<T>(variance, like), 1e-5, 0.1}};
      thaw::StatisticsUpdate<double> update;
      const T in = thaw::lift_to<T>(x, like);
      return thaw::square(training ? norm.train(in, update, 1) : norm(in, 1));
    };
    thaw_test::hold(training ? "batch_norm training" : "batch_norm",
                    thaw::check_gradient(f, {host.normal({4, 3, 2}), host.normal({3}), host.normal({3})}));
  }
}

TEST_CASE("no gradient reaches the running statistics") {
  Host host;
  thaw::Tape<double> tape(host.context);
  const auto norm = thaw::map_unnamed<V>(some_norm(host, 3), [&](const A& a) { return tape.leaf(a); });
  const auto g = thaw::gradient(thaw::sum(thaw::square(norm(tape.leaf(host.normal({4, 3}))))), norm);
  for (Index j = 0; j < 3; ++j) {
    CHECK(g.statistics.mean[j] == 0);
    CHECK(g.statistics.variance[j] == 0);
    CHECK(std::fabs(g.weight[j]) > 1e-6);
  }
}
