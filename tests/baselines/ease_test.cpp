#include "thaw/baselines/ease.hpp"

#include "tests/baselines/history_fixture.hpp"

namespace {

using thaw::EasePredictor;

const auto fit = [](const thaw::RatingGraph& graph) { return EasePredictor::fit(graph, {.regularization = 2}); };

// Matrices by numpy: P = inv(G + lambda I), -P / diag(P) by columns, diagonal 0.
TEST_CASE("EasePredictor: the closed form on a small matrix") {
  const auto ease = EasePredictor::fit(thaw_test::four_users(), {.regularization = 1});
  CHECK(ease.ok());
  if (!ease) return;
  thaw_test::hold_matrix(ease.value(),
                         {{0, 0, 0.25, 0.487804878, -0.0819672131},
                          {0, 0, 0, 0.414634146, 0.278688525},
                          {0.222222222, 0, 0, 0.12195122, 0.327868852},
                          {0.444444444, 0.5, 0.125, 0, -0.180327869},
                          {-0.111111111, 0.5, 0.5, -0.268292683, 0}},
                         1e-6);
  const auto strong = EasePredictor::fit(thaw_test::four_users());  // 500
  CHECK(strong.ok());
  if (!strong) return;
  thaw_test::hold_matrix(strong.value(),
                         {{0, 0.00197230083, 0.00198024493, 0.00397222991, -7.8658942e-06},
                          {0.00196838746, 0, 0.00197233195, 0.00396434072, 0.00198418165},
                          {0.00198022931, 0.00197623758, 0, 0.00197624559, 0.00198811852},
                          {0.00396437971, 0.00396437209, 0.00197235556, 0, -1.18106362e-05},
                          {-7.8814706e-06, 0.0019920634, 0.00199207119, -1.18574577e-05, 0}},
                         1e-8);
}

// |X - X B|^2 + lambda |B|^2 over the columns of B with zero diagonal: at the minimum its gradient
// (G + lambda I) B - G vanishes off the diagonal.
TEST_CASE("EasePredictor: the gradient of its objective vanishes off the diagonal") {
  const auto graph = thaw_test::renumbered(11).graph;
  const auto ease = EasePredictor::fit(graph, {.regularization = 3});
  CHECK(ease.ok());
  if (!ease) return;
  const std::size_t n = 40;
  std::vector<double> gram(n * n, 0.0);
  for (std::int32_t user = 0; user < graph.user_count(); ++user)
    for (const auto& a : graph.by_user.row(user))
      for (const auto& b : graph.by_user.row(user))
        gram[static_cast<std::size_t>(a.column) * n + static_cast<std::size_t>(b.column)] += 1;
  double worst = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      if (i == j) continue;
      double slope = -gram[i * n + j];
      for (std::size_t k = 0; k < n; ++k)
        slope += (gram[i * n + k] + (i == k ? 3.0 : 0.0)) *
                 static_cast<double>(ease.value().row(static_cast<std::int32_t>(k))[j]);
      worst = std::fmax(worst, std::fabs(slope));
    }
  CHECK(worst < 1e-4);
}

TEST_CASE("EasePredictor: scoring, renumbering, threads") {
  const auto ease = fit(thaw_test::four_users());
  CHECK(ease.ok());
  if (!ease) return;
  thaw_test::hold_scoring(ease.value());
  thaw_test::hold_renumbering(fit);
  const auto graph = thaw_test::renumbered(3).graph;
  const auto one = EasePredictor::fit(graph, {});
  const auto two = EasePredictor::fit(graph, {.threads = 2});
  CHECK(one.ok());
  CHECK(two.ok());
  if (one && two)
    for (std::int32_t i = 0; i < graph.item_count(); ++i)
      CHECK(thaw_test::scores_from(one.value(), {i}) == thaw_test::scores_from(two.value(), {i}));
}

TEST_CASE("EasePredictor: an item without interactions says nothing and gets nothing") {
  const std::vector<thaw::Rating> ratings{{0, 0, 1}, {0, 2, 1}, {1, 0, 1}, {1, 2, 1}};
  const auto ease = EasePredictor::fit(thaw::RatingGraph::from_ratings(ratings, 2, 4), {.regularization = 1});
  CHECK(ease.ok());
  if (!ease) return;
  CHECK(thaw_test::scores_from(ease.value(), {1, 3}) == std::vector<float>(4, 0.0f));
  const auto scores = thaw_test::scores_from(ease.value(), {0});
  CHECK(scores[1] == 0);
  CHECK(scores[2] == doctest::Approx(2.0 / 3));  // n / (n + lambda)
}

TEST_CASE("EasePredictor: bad input") {
  thaw_test::hold_bad_graphs(fit);
  const auto graph = thaw_test::four_users();
  for (const double bad : {0.0, -1.0, std::nan("")})
    CHECK(thaw_test::fault_says(EasePredictor::fit(graph, {.regularization = bad}), "regularization is"));
  CHECK(thaw_test::fault_says(EasePredictor::fit(graph, {.threads = 0}), "0 threads"));
  CHECK(thaw_test::fault_says(EasePredictor::fit(graph, {.most_items = 4}), "raise most_items (now 4)"));
  // Two items that always come together, and a lambda that single precision does not see beside the counts.
  std::vector<thaw::Rating> twins;
  for (std::int32_t user = 0; user < 1000; ++user)
    for (const std::int32_t item : {0, 1}) twins.push_back({user, item, 1});
  const auto pair = thaw::RatingGraph::from_ratings(twins, 1000, 2);
  CHECK(thaw_test::fault_says(EasePredictor::fit(pair, {.regularization = 1e-9}), "singular"));
  const auto ease = fit(graph);
  CHECK(ease.ok());
  if (ease) thaw_test::hold_bad_questions(ease.value());
}

}  // namespace
