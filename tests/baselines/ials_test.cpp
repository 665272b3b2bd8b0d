#include "thaw/baselines/ials.hpp"

#include "tests/baselines/history_fixture.hpp"

namespace {

using thaw::IalsPredictor;
using thaw::Index;

// Gaussian elimination in double.
std::vector<double> solved(std::vector<double> a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t i = k + 1; i < n; ++i) {
      const double f = a[i * n + k] / a[k * n + k];
      for (std::size_t j = k; j < n; ++j) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  return b;
}

// The objective from its definition: every pair of the matrix.
double objective_by_pairs(const thaw::Interactions& x, const IalsPredictor& p, double weight) {
  const auto dot = [](std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t j = 0; j < a.size(); ++j) sum += static_cast<double>(a[j]) * static_cast<double>(b[j]);
    return sum;
  };
  double sum = 0;
  for (std::int32_t u = 0; u < x.user_count(); ++u) {
    sum += p.user_decay(u) * dot(p.user_row(u), p.user_row(u));
    for (std::int32_t i = 0; i < x.item_count(); ++i) {
      const double d = dot(p.user_row(u), p.item_row(i));
      sum += weight * d * d;
    }
    for (const std::int32_t i : x.by_user.row(u)) {
      const double d = dot(p.user_row(u), p.item_row(i));
      sum += (1 - d) * (1 - d);
    }
  }
  for (std::int32_t i = 0; i < x.item_count(); ++i) sum += p.item_decay(i) * dot(p.item_row(i), p.item_row(i));
  return sum;
}

TEST_CASE("IalsPredictor: each sweep lowers the objective, which is that of all pairs") {
  const auto graph = thaw_test::renumbered(5).graph;
  const auto x = thaw::Interactions::from_graph(graph).value();
  for (const Index width : {3, 16, 40}) {
    auto p =
        IalsPredictor::start(graph, {.width = width, .unobserved_weight = 0.2, .regularization = 0.01, .threads = 1});
    CHECK(p.ok());
    if (!p) return;
    double before = INFINITY;
    for (int sweep = 0; sweep < 8; ++sweep) {
      CHECK(p.value().sweep().ok());
      const double now = p.value().objective();
      CHECK(now == doctest::Approx(objective_by_pairs(x, p.value(), 0.2)).epsilon(1e-5));
      CHECK(now <= before * (1 + 1e-6));
      before = now;
    }
    CHECK(before < 0.9 * static_cast<double>(x.by_user.ids.size()));  // of all zeros
  }
}

TEST_CASE("IalsPredictor: an item's row after a sweep, and a new history's row, are the closed form in double") {
  const auto graph = thaw_test::renumbered(8).graph;
  const auto x = thaw::Interactions::from_graph(graph).value();
  for (const Index width : {1, 5, 32, 64}) {
    const double weight = 0.3;
    const auto p =
        IalsPredictor::fit(graph, {.width = width, .unobserved_weight = weight, .regularization = 0.02, .sweeps = 3});
    CHECK(p.ok());
    if (!p) return;
    const auto n = static_cast<std::size_t>(width);
    const auto system = [&](std::int32_t others, auto row_of, std::span<const std::int32_t> ids, double decay) {
      std::vector<double> a(n * n, 0.0), b(n, 0.0);
      const auto add = [&](std::span<const float> q, double w) {
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j) a[i * n + j] += w * static_cast<double>(q[i]) * static_cast<double>(q[j]);
      };
      for (std::int32_t o = 0; o < others; ++o) add(row_of(o), weight);
      for (const std::int32_t id : ids) {
        add(row_of(id), 1);
        for (std::size_t i = 0; i < n; ++i) b[i] += static_cast<double>(row_of(id)[i]);
      }
      for (std::size_t i = 0; i < n; ++i) a[i * n + i] += decay;
      return solved(a, b);
    };
    const auto users = [&](std::int32_t u) { return p.value().user_row(u); };
    const auto items = [&](std::int32_t i) { return p.value().item_row(i); };
    double worst = 0;
    for (std::int32_t i = 0; i < x.item_count(); ++i) {
      const auto expected = system(x.user_count(), users, x.by_item.row(i), p.value().item_decay(i));
      for (std::size_t j = 0; j < n; ++j)
        worst = std::fmax(worst, std::fabs(expected[j] - static_cast<double>(items(i)[j])));
    }
    CHECK(worst < 1e-4);
    const std::vector<std::int32_t> history{1, 7, 30};
    const double decay = 0.02 * (3 + weight * 40);
    const auto row = system(x.item_count(), items, history, decay);
    const auto got = thaw_test::scores_from(p.value(), history);
    for (std::int32_t i = 0; i < x.item_count(); ++i) {
      double expected = 0;
      for (std::size_t j = 0; j < n; ++j) expected += row[j] * static_cast<double>(items(i)[j]);
      CHECK(std::fabs(expected - static_cast<double>(got[static_cast<std::size_t>(i)])) < 2e-4);
    }
  }
}

TEST_CASE("IalsPredictor: threads change nothing, seeds do; rows without interactions are zero") {
  const auto graph = thaw_test::renumbered(3).graph;
  const auto one = IalsPredictor::fit(graph, {.width = 8, .sweeps = 3, .threads = 1});
  const auto two = IalsPredictor::fit(graph, {.width = 8, .sweeps = 3, .threads = 2});
  CHECK(one.ok());
  if (!one || !two) return;
  for (std::int32_t i = 0; i < graph.item_count(); ++i)
    for (std::size_t j = 0; j < 8; ++j) CHECK(one.value().item_row(i)[j] == two.value().item_row(i)[j]);
  const auto scores = thaw_test::scores_from(one.value(), {});
  for (const float s : scores) CHECK(s == 0);
  const std::vector<thaw::Rating> ratings{{0, 0, 1}, {0, 2, 1}, {2, 0, 1}};
  const auto sparse = IalsPredictor::fit(thaw::RatingGraph::from_ratings(ratings, 3, 4), {.width = 4});
  CHECK(sparse.ok());
  if (sparse)
    for (std::size_t j = 0; j < 4; ++j) {
      CHECK(sparse.value().user_row(1)[j] == 0);
      CHECK(sparse.value().item_row(3)[j] == 0);
    }
}

TEST_CASE("IalsPredictor: bad input") {
  thaw_test::hold_bad_graphs([](const thaw::RatingGraph& graph) { return IalsPredictor::fit(graph); });
  const auto graph = thaw_test::four_users();
  CHECK(thaw_test::fault_says(IalsPredictor::fit(graph, {.width = 0}), "width 0"));
  CHECK(thaw_test::fault_says(IalsPredictor::fit(graph, {.regularization = std::nan("")}), "regularization nan"));
  CHECK(thaw_test::fault_says(IalsPredictor::fit(graph, {.unobserved_weight = 0}), "unobserved weight 0"));
  CHECK(thaw_test::fault_says(IalsPredictor::fit(graph, {.threads = 0}), "threads 0"));
  const auto ials = IalsPredictor::fit(graph);
  CHECK(ials.ok());
  if (ials) thaw_test::hold_bad_questions(ials.value());
}

}  // namespace
