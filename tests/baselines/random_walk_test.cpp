#include "thaw/baselines/random_walk.hpp"

#include "tests/baselines/history_fixture.hpp"

namespace {

using thaw::RandomWalkPredictor;

const auto fit = [](const thaw::RatingGraph& graph) { return RandomWalkPredictor::fit(graph); };

using Matrix = std::vector<std::vector<double>>;

void hold(const RandomWalkPredictor::Options& options, const Matrix& expected) {
  const auto walk = RandomWalkPredictor::fit(thaw_test::four_users(), options);
  CHECK(walk.ok());
  if (walk) thaw_test::hold_matrix(walk.value(), expected, 1e-6);
}

// Matrices by numpy: (X^T / n)^alpha (X / d)^alpha / n^beta, powers element by element, diagonal 0.
TEST_CASE("RandomWalkPredictor: transition powers and penalty on a small matrix") {
  hold({}, {{0, 0.166666667, 0.166666667, 0.333333333, 0},
            {0.111111111, 0, 0.111111111, 0.277777778, 0.111111111},
            {0.166666667, 0.166666667, 0, 0.166666667, 0.166666667},
            {0.222222222, 0.277777778, 0.111111111, 0, 0},
            {0, 0.333333333, 0.333333333, 0, 0}});
  hold({.popularity_penalty = 0.5}, {{0, 0.0962250449, 0.11785113, 0.19245009, 0},
                                     {0.0785674201, 0, 0.0785674201, 0.160375075, 0.111111111},
                                     {0.11785113, 0.0962250449, 0, 0.0962250449, 0.166666667},
                                     {0.15713484, 0.160375075, 0.0785674201, 0, 0},
                                     {0, 0.19245009, 0.23570226, 0, 0}});
  const Matrix both{{0, 0.205190736, 0.231731528, 0.410381471, 0},
                    {0.174470194, 0, 0.174470194, 0.359678421, 0.214798005},
                    {0.231731528, 0.205190736, 0, 0.205190736, 0.285294977},
                    {0.348940389, 0.359678421, 0.174470194, 0, 0},
                    {0, 0.333333333, 0.376448978, 0, 0}};
  hold({.alpha = 0.7, .popularity_penalty = 0.3}, both);
  hold({.alpha = 0.7, .popularity_penalty = 0.3, .keep = thaw::KeepBest::of_each_target}, both);  // all are kept
}

// The largest of each row; rows 2 and 4 have equal ones, of which the lower ids stay.
TEST_CASE("RandomWalkPredictor: one target of each source, one source of each target") {
  hold({.neighbours = 1}, {{0, 0, 0, 0.333333333, 0},
                           {0, 0, 0, 0.277777778, 0},
                           {0.166666667, 0, 0, 0, 0},
                           {0, 0.277777778, 0, 0, 0},
                           {0, 0.333333333, 0, 0, 0}});
  hold({.neighbours = 1, .keep = thaw::KeepBest::of_each_target}, {{0, 0, 0, 0.333333333, 0},
                                                                   {0, 0, 0, 0, 0},
                                                                   {0, 0, 0, 0, 0.166666667},
                                                                   {0.222222222, 0, 0, 0, 0},
                                                                   {0, 0.333333333, 0.333333333, 0, 0}});
}

TEST_CASE("RandomWalkPredictor: without the diagonal a step of alpha 1 loses exactly the way back") {
  const auto two = thaw_test::renumbered(9);
  const auto walk = RandomWalkPredictor::fit(two.graph, {.neighbours = 40});
  CHECK(walk.ok());
  if (!walk) return;
  for (std::int32_t item = 0; item < 40; ++item) {
    double back = 0;  // mean over the item's users of 1 / their number of items
    for (const auto& user : two.graph.by_item.row(item))
      back += 1.0 / static_cast<double>(two.graph.by_user.row(user.column).size());
    back /= static_cast<double>(two.graph.by_item.row(item).size());
    double sum = 0;
    for (const float w : thaw_test::scores_from(walk.value(), {item})) sum += static_cast<double>(w);
    CHECK(sum == doctest::Approx(1 - back).epsilon(1e-5));
  }
}

TEST_CASE("RandomWalkPredictor: scoring, renumbering, threads") {
  const auto walk = fit(thaw_test::four_users());
  CHECK(walk.ok());
  if (!walk) return;
  thaw_test::hold_scoring(walk.value());
  thaw_test::hold_renumbering(fit);
  const auto graph = thaw_test::renumbered(3).graph;
  const auto one = RandomWalkPredictor::fit(graph, {.neighbours = 5});
  const auto two = RandomWalkPredictor::fit(graph, {.neighbours = 5, .threads = 2});
  CHECK(one.ok());
  CHECK(two.ok());
  if (one && two)
    for (std::int32_t i = 0; i < graph.item_count(); ++i)
      CHECK(thaw_test::scores_from(one.value(), {i}) == thaw_test::scores_from(two.value(), {i}));
}

TEST_CASE("RandomWalkPredictor: bad input") {
  thaw_test::hold_bad_graphs(fit);
  const auto graph = thaw_test::four_users();
  CHECK(thaw_test::fault_says(RandomWalkPredictor::fit(graph, {.neighbours = 0}), "neighbours"));
  CHECK(thaw_test::fault_says(RandomWalkPredictor::fit(graph, {.threads = 0}), "threads"));
  CHECK(thaw_test::fault_says(RandomWalkPredictor::fit(graph, {.alpha = std::nan("")}), "alpha is nan"));
  CHECK(thaw_test::fault_says(RandomWalkPredictor::fit(graph, {.popularity_penalty = 9}), "beta 9"));
  const auto walk = fit(graph);
  CHECK(walk.ok());
  if (walk) thaw_test::hold_bad_questions(walk.value());
}

}  // namespace
