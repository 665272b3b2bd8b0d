#include "thaw/graph/cluster_statistics.hpp"

#include <doctest/doctest.h>

#include "thaw/graph/edge_operators.hpp"

namespace {

using thaw::EdgeOperator;
using thaw::Index;

// Users 0, 1 with items 0, 1 all joined; users 2, 3 with items 2, 3 joined once; user 4 and item 4 joined to others
// only.
thaw::Interactions blocks() {
  const std::vector<thaw::Rating> ratings{{0, 0, 1}, {0, 1, 1}, {1, 0, 1}, {1, 1, 1}, {2, 2, 1}, {4, 0, 1}, {3, 4, 1}};
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, 5, 5)).value();
}
const std::vector<std::int32_t> kClusterOf{0, 0, 1, 1, 2, 0, 0, 1, 1, 2};  // users, then items

TEST_CASE("densities of blocks: complete 1, empty 0, by hand between") {
  const auto density = thaw::block_densities(blocks(), kClusterOf, 4);
  CHECK(density[0] == doctest::Approx(1));
  CHECK(density[1] == doctest::Approx(0.25));
  CHECK(density[2] == 0);  // user 4 and item 4 never met
  CHECK(density[3] == 0);  // nobody
  const auto lift = thaw::block_lifts(blocks(), kClusterOf, 4);
  const double overall = 7.0 / 25;
  CHECK(lift[0] == doctest::Approx(1 / overall));
  CHECK(lift[1 * 4 + 2] == doctest::Approx(0.5 / overall));  // user 3 and item 4
  CHECK(lift[2 * 4 + 0] == doctest::Approx(0.5 / overall));  // user 4 and item 0
  CHECK(lift[3 * 4 + 3] == 0);
}

TEST_CASE("densities: users and items swapped give the same") {
  std::vector<thaw::Rating> swapped;
  const thaw::Interactions x = blocks();
  for (std::int32_t user = 0; user < 5; ++user)
    for (const std::int32_t item : x.by_user.row(user)) swapped.push_back({item, user, 1});
  const auto y = thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(swapped, 5, 5)).value();
  std::vector<std::int32_t> turned(kClusterOf.begin() + 5, kClusterOf.end());
  turned.insert(turned.end(), kClusterOf.begin(), kClusterOf.begin() + 5);
  CHECK(thaw::block_densities(x, kClusterOf, 4) == thaw::block_densities(y, turned, 4));
}

TEST_CASE("shares sum to one; lifts average to one with the pairs' shares") {
  const std::vector<std::int64_t> edges{10, 0, 30, 60}, pairs{5, 5, 50, 40};
  double sum = 0, mean = 0;
  const auto shares = thaw::cluster_shares(edges), of_pairs = thaw::cluster_shares(pairs);
  const auto lift = thaw::edge_lifts(edges, pairs);
  for (std::size_t k = 0; k < 4; ++k) {
    sum += shares[k];
    mean += of_pairs[k] * lift[k];
  }
  CHECK(sum == doctest::Approx(1));
  CHECK(mean == doctest::Approx(1));
  CHECK(lift[0] == doctest::Approx(2));
  CHECK(lift[1] == 0);
  CHECK(lift[3] == doctest::Approx(1.5));
  const auto unseen = thaw::edge_lifts(edges, std::vector<std::int64_t>{0, 5, 55, 40});
  CHECK(unseen[0] == doctest::Approx(0.1 / 0.005));
  CHECK(thaw::cluster_shares(std::vector<std::int64_t>{0, 0}) == std::vector<double>{0, 0});
}

TEST_CASE("edge_vector: the four operators, symmetric") {
  const std::vector<float> a{1, -2, 3}, b{4, 2, -1};
  std::vector<float> out(3), back(3);
  const std::vector<std::vector<float>> expected{{2.5f, 0, 1}, {4, -4, -3}, {3, 4, 4}, {9, 16, 16}};
  for (int op = 0; op < 4; ++op) {
    thaw::edge_vector(static_cast<EdgeOperator>(op), a, b, out);
    thaw::edge_vector(static_cast<EdgeOperator>(op), b, a, back);
    CHECK(out == expected[static_cast<std::size_t>(op)]);
    CHECK(out == back);
  }
  const std::vector<float> vectors{1, -2, 3, 4, 2, -1};
  const std::vector<thaw::NodePair> pairs{{0, 1}, {1, 1}};
  CHECK(thaw::edge_vectors(EdgeOperator::hadamard, vectors, 3, pairs) == std::vector<float>{4, -4, -3, 16, 4, 1});
}

// The product form must name the cluster that the pair's own vector is nearest to.
TEST_CASE("PairClusters: the nearest cluster of the pair's vector, for every operator") {
  constexpr Index kWidth = 12, kItems = 300;
  thaw::Philox rng(4);
  std::vector<float> items, user;
  for (Index i = 0; i < kItems * kWidth; ++i) items.push_back(static_cast<float>(rng.normal()));
  for (Index j = 0; j < kWidth; ++j) user.push_back(static_cast<float>(rng.normal()));
  for (int op = 0; op < 4; ++op) {
    const auto kind = static_cast<EdgeOperator>(op);
    std::vector<float> edges(items.size());
    for (std::size_t i = 0; i < items.size(); i += static_cast<std::size_t>(kWidth))
      thaw::edge_vector(kind, user, std::span<const float>(items).subspan(i, kWidth),
                        std::span<float>(edges).subspan(i, kWidth));
    const auto clusters = thaw::k_means(edges, kWidth, {.clusters = 21, .iterations = 5});
    CHECK(clusters.ok());
    if (!clusters) return;
    thaw::PairClusters nearest(kind, clusters.value());
    std::vector<std::int32_t> got(static_cast<std::size_t>(kItems));
    nearest.assign(user, items, got);
    CHECK(got == clusters.value().cluster_of);
  }
}

}  // namespace
