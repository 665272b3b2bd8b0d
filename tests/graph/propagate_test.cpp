#include "thaw/graph/propagate.hpp"

#include "tests/ops/fixture.hpp"
#include "thaw/backend/cpu_eigen.hpp"

using namespace thaw_test;

namespace {

// Random interactions; the last user and the last item have none.
thaw::Interactions random_interactions(std::int32_t users, std::int32_t items, int count, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<thaw::Rating> ratings;
  for (int i = 0; i < count; ++i) {
    const double place = rng.uniform();
    ratings.push_back({static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(users - 1))),
                       static_cast<std::int32_t>(place * place * (items - 1)), 1});
  }
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, users, items)).value();
}

// The matrix itself, from its definition.
std::vector<double> dense(const thaw::Interactions& x) {
  const auto users = static_cast<std::size_t>(x.user_count());
  const std::size_t n = users + static_cast<std::size_t>(x.item_count());
  std::vector<double> degree(n, 0.0), p(n * n, 0.0);
  for (std::size_t u = 0; u < users; ++u)
    for (const std::int32_t i : x.by_user.row(static_cast<std::int32_t>(u))) {
      degree[u] += 1;
      degree[users + static_cast<std::size_t>(i)] += 1;
    }
  for (std::size_t u = 0; u < users; ++u)
    for (const std::int32_t item : x.by_user.row(static_cast<std::int32_t>(u))) {
      const std::size_t i = users + static_cast<std::size_t>(item);
      p[u * n + i] = p[i * n + u] = 1 / std::sqrt(degree[u] * degree[i]);
    }
  return p;
}

std::vector<double> times(const std::vector<double>& p, const std::vector<double>& x, std::size_t width) {
  const std::size_t n = x.size() / width;
  std::vector<double> y(x.size(), 0.0);
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t c = 0; c < n; ++c)
      for (std::size_t j = 0; j < width; ++j) y[r * width + j] += p[r * n + c] * x[c * width + j];
  return y;
}

TEST_CASE("propagate: powers of the dense matrix, whatever the width, number type and threads") {
  const thaw::Interactions x = random_interactions(40, 55, 500, 3);
  const thaw::PropagationGraph graph(x);
  const std::vector<double> p = dense(x);
  CHECK(graph.nodes() == 95);
  CHECK(graph.edges() == 2 * static_cast<Index>(x.by_user.ids.size()));
  for (const Index width : {1, 3, 16, 17, 40, 64, 100}) {
    Host host;
    thaw::GrowingArena arena;
    thaw::CpuEigen::Context two{&arena, 2};
    const A start = host.normal({95, width});
    auto single = thaw::Array<float, thaw::CpuEigen>::make(two, {95, width});
    for (Index i = 0; i < start.size(); ++i) single[i] = static_cast<float>(start[i]);
    std::vector<double> layer(start.begin(), start.end()), mean(layer);
    for (int k = 0; k < 3; ++k) {
      layer = times(p, layer, static_cast<std::size_t>(width));
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += layer[i];
    }
    const A got = thaw::propagated_mean(graph, start, 3);
    const auto fast = thaw::propagated_mean(graph, single, 3);
    double worst = 0, worst_single = 0;
    for (Index i = 0; i < got.size(); ++i) {
      const double expected = mean[static_cast<std::size_t>(i)] / 4;
      worst = std::fmax(worst, std::fabs(got[i] - expected));
      worst_single = std::fmax(worst_single, std::fabs(static_cast<double>(fast[i]) - expected));
    }
    CAPTURE(width);
    CHECK(worst < 1e-13);
    CHECK(worst_single < 2e-6);
  }
}

TEST_CASE("propagate: gradients to second order, and its own transpose") {
  const thaw::Interactions x = random_interactions(6, 8, 20, 5);
  const thaw::PropagationGraph graph(x);
  Host host;
  hold("propagate",
       thaw::check_gradient([&](const auto& v) { return thaw::propagate(graph, v); }, {host.normal({14, 3})}));
  hold("squared mean of layers",
       thaw::check_gradient([&](const auto& v) { return thaw::square(thaw::propagated_mean(graph, v, 3)); },
                            {host.normal({14, 2})}));
  const A a = host.normal({14, 1}), b = host.normal({14, 1});
  const A pa = thaw::propagate(graph, a), pb = thaw::propagate(graph, b);
  double left = 0, right = 0;
  for (Index i = 0; i < 14; ++i) {
    left += b[i] * pa[i];
    right += a[i] * pb[i];
  }
  CHECK(left == doctest::Approx(right).epsilon(1e-13));
  CHECK(pa[5] == 0);  // a user without interactions
}

TEST_CASE("propagate: threads give the same numbers bit for bit") {
  const thaw::Interactions x = random_interactions(900, 700, 20000, 6);
  const thaw::PropagationGraph graph(x);
  thaw::GrowingArena arena;
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    thaw::CpuEigen::Context context{&arena, threads};
    auto v = thaw::Array<float, thaw::CpuEigen>::make(context, {1600, 64});
    thaw::Philox rng(1);
    for (float& f : v) f = static_cast<float>(rng.normal());
    const auto y = thaw::propagate(graph, v);
    results.emplace_back(y.begin(), y.end());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("PropagationGraph: parts cover all rows once, with about the same work") {
  const thaw::Interactions x = random_interactions(900, 700, 20000, 6);
  const thaw::PropagationGraph graph(x);
  for (const int parts : {1, 2, 5}) {
    Index user = 0, item = graph.users();
    for (int p = 0; p < parts; ++p) {
      const auto part = graph.part(p, parts);
      CHECK(part.user_begin == user);
      CHECK(part.item_begin == item);
      user = part.user_end;
      item = part.item_end;
      Index edges = 0;
      for (Index v = part.user_begin; v < part.user_end; ++v) edges += graph.degree(v);
      CHECK(std::abs(edges - graph.edges() / 2 / parts) < 200);
    }
    CHECK(user == graph.users());
    CHECK(item == graph.nodes());
  }
}

#if THAW_HAS_EXCEPTIONS
TEST_CASE("propagate: another number of rows is named") {
  const thaw::Interactions x = random_interactions(6, 8, 20, 5);
  const thaw::PropagationGraph graph(x);
  Host host;
  const thaw::Fault fault = message_of([&] { (void)thaw::propagate(graph, host.normal({13, 2})); });
  CHECK(says(fault, "(13, 2)"));
  CHECK(says(fault, "6 users and 8 items"));
}
#endif

}  // namespace
