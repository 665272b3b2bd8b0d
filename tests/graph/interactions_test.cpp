#include "thaw/graph/interactions.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace {

std::vector<std::int32_t> list(std::span<const std::int32_t> ids) { return {ids.begin(), ids.end()}; }

TEST_CASE("Interactions: both directions, each pair once") {
  const std::vector<thaw::Rating> ratings{{1, 2, 5}, {0, 1, 3}, {1, 0, 1}, {1, 2, 4}, {3, 2, 2}};
  const auto made = thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, 4, 3));
  CHECK(made.ok());
  if (!made) return;
  const thaw::Interactions& x = made.value();
  CHECK(x.user_count() == 4);
  CHECK(x.item_count() == 3);
  CHECK(list(x.by_user.row(0)) == std::vector<std::int32_t>{1});
  CHECK(list(x.by_user.row(1)) == std::vector<std::int32_t>{0, 2});
  CHECK(list(x.by_user.row(2)).empty());
  CHECK(list(x.by_user.row(3)) == std::vector<std::int32_t>{2});
  CHECK(list(x.by_item.row(0)) == std::vector<std::int32_t>{1});
  CHECK(list(x.by_item.row(1)) == std::vector<std::int32_t>{0});
  CHECK(list(x.by_item.row(2)) == std::vector<std::int32_t>{1, 3});
}

TEST_CASE("Interactions: a graph without any, and one with an unknown item") {
  const auto none = thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings({}, 2, 3));
  CHECK(!none.ok());
  if (!none) CHECK(std::strstr(none.fault().text, "2 users, 3 items and 0 interactions") != nullptr);
  const std::vector<thaw::Rating> ratings{{0, 1, 3}};
  auto graph = thaw::RatingGraph::from_ratings(ratings, 1, 2);
  graph.by_user.edges[0].column = -1;
  const auto bad = thaw::Interactions::from_graph(graph);
  CHECK(!bad.ok());
  if (!bad) CHECK(std::strstr(bad.fault().text, "user 0 has item -1") != nullptr);
}

}  // namespace
