#include "thaw/baselines/item_knn.hpp"

#include "tests/baselines/history_fixture.hpp"

namespace {

using thaw::ItemKnnPredictor;

const auto fit = [](const thaw::RatingGraph& graph) { return ItemKnnPredictor::fit(graph); };

// Matrices by numpy: G / (sqrt(outer(n, n)) + shrinkage), diagonal 0.
TEST_CASE("ItemKnnPredictor: cosine and shrinkage on a small matrix") {
  const auto plain = fit(thaw_test::four_users());
  CHECK(plain.ok());
  if (!plain) return;
  thaw_test::hold_matrix(plain.value(),
                         {{0, 0.40824829, 0.5, 0.816496581, 0},
                          {0.40824829, 0, 0.40824829, 0.666666667, 0.577350269},
                          {0.5, 0.40824829, 0, 0.40824829, 0.707106781},
                          {0.816496581, 0.666666667, 0.40824829, 0, 0},
                          {0, 0.577350269, 0.707106781, 0, 0}},
                         1e-6);
  const auto shrunk = ItemKnnPredictor::fit(thaw_test::four_users(), {.shrinkage = 2});
  CHECK(shrunk.ok());
  if (!shrunk) return;
  thaw_test::hold_matrix(shrunk.value(),
                         {{0, 0.224744871, 0.25, 0.449489743, 0},
                          {0.224744871, 0, 0.224744871, 0.4, 0.267949192},
                          {0.25, 0.224744871, 0, 0.224744871, 0.292893219},
                          {0.449489743, 0.4, 0.224744871, 0, 0},
                          {0, 0.267949192, 0.292893219, 0, 0}},
                         1e-6);
}

// Best neighbours of the five items: 3, 3, 4, 0, 2. Each is the only history item that speaks for its candidate.
TEST_CASE("ItemKnnPredictor: one neighbour of each candidate") {
  const auto knn = ItemKnnPredictor::fit(thaw_test::four_users(), {.neighbours = 1});
  CHECK(knn.ok());
  if (!knn) return;
  thaw_test::hold_matrix(knn.value(),
                         {{0, 0, 0, 0.816496581, 0},
                          {0, 0, 0, 0, 0},
                          {0, 0, 0, 0, 0.707106781},
                          {0.816496581, 0.666666667, 0, 0, 0},
                          {0, 0, 0.707106781, 0, 0}},
                         1e-6);
}

TEST_CASE("ItemKnnPredictor: scoring, renumbering, threads") {
  const auto knn = fit(thaw_test::four_users());
  CHECK(knn.ok());
  if (!knn) return;
  thaw_test::hold_scoring(knn.value());
  thaw_test::hold_renumbering(fit);
  const auto graph = thaw_test::renumbered(3).graph;
  const auto one = ItemKnnPredictor::fit(graph, {.neighbours = 5});
  const auto two = ItemKnnPredictor::fit(graph, {.neighbours = 5, .threads = 2});
  CHECK(one.ok());
  CHECK(two.ok());
  if (one && two)
    for (std::int32_t i = 0; i < graph.item_count(); ++i)
      CHECK(thaw_test::scores_from(one.value(), {i}) == thaw_test::scores_from(two.value(), {i}));
}

TEST_CASE("HistoryOfUser: a user of the graph is her row of it") {
  const auto graph = thaw_test::four_users();
  const auto knn = fit(graph);
  CHECK(knn.ok());
  if (!knn) return;
  const thaw::HistoryOfUser known(graph.by_user, knn.value());
  const auto items = thaw_test::numbers(5);
  std::vector<float> out(5);
  known.score(0, items, out);  // items 0, 1 (listed twice) and 3
  CHECK(out == thaw_test::scores_from(knn.value(), {0, 1, 3}));
#if THAW_HAS_EXCEPTIONS
  CHECK(thaw_test::stops_with("user 4 of 4", [&] { known.score(4, items, out); }));
#endif
}

TEST_CASE("ItemKnnPredictor: bad input") {
  thaw_test::hold_bad_graphs(fit);
  const auto graph = thaw_test::four_users();
  CHECK(thaw_test::fault_says(ItemKnnPredictor::fit(graph, {.neighbours = 0}), "neighbours"));
  CHECK(thaw_test::fault_says(ItemKnnPredictor::fit(graph, {.threads = 0}), "threads"));
  CHECK(thaw_test::fault_says(ItemKnnPredictor::fit(graph, {.shrinkage = -1}), "shrinkage is -1"));
  CHECK(thaw_test::fault_says(ItemKnnPredictor::fit(graph, {.shrinkage = std::nan("")}), "shrinkage is nan"));
  const auto knn = fit(graph);
  CHECK(knn.ok());
  if (knn) thaw_test::hold_bad_questions(knn.value());
}

}  // namespace
