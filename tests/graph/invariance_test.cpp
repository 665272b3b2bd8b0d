// What must not change when users and items are renamed or all node vectors are turned.
#include <doctest/doctest.h>

#include <numeric>

#include "thaw/graph/bins.hpp"
#include "thaw/graph/cluster_statistics.hpp"
#include "thaw/graph/edge_operators.hpp"
#include "thaw/graph/skip_gram.hpp"
#include "thaw/graph/walks.hpp"

namespace {

using thaw::EdgeOperator;
using thaw::Index;

constexpr std::int32_t kUsers = 150, kItems = 90;

// Three groups that meet one time in five; low items more often.
std::vector<thaw::Rating> grouped_ratings() {
  thaw::Philox rng(17);
  std::vector<thaw::Rating> ratings;
  for (std::int32_t user = 0; user < kUsers; ++user)
    for (int k = 0; k < 4 + user % 9; ++k) {
      const double place = rng.uniform();
      const auto item = static_cast<std::int32_t>(place * place * kItems);
      const std::int32_t own = item - item % 3 + user % 3;
      ratings.push_back({user, (std::min)(kItems - 1, rng.uniform() < 0.8 ? own : item), 1});
    }
  return ratings;
}

thaw::Interactions interactions_of(const std::vector<thaw::Rating>& ratings) {
  return thaw::Interactions::from_graph(thaw::RatingGraph::from_ratings(ratings, kUsers, kItems)).value();
}

std::vector<std::int32_t> shuffled(std::int32_t n, std::uint64_t seed) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  thaw::Philox(seed).shuffle(order);
  return order;
}

std::vector<double> degrees(const thaw::IdLists& lists) {
  std::vector<double> out;
  for (std::int32_t row = 0; row < lists.rows(); ++row) out.push_back(static_cast<double>(lists.row(row).size()));
  return out;
}

// (n, n), rows orthogonal and of length one: Gram and Schmidt on random vectors, in double.
std::vector<double> random_rotation(std::size_t n, std::uint64_t seed) {
  thaw::Philox rng(seed);
  std::vector<double> r(n * n);
  for (double& v : r) v = rng.normal();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      double dot = 0;
      for (std::size_t j = 0; j < n; ++j) dot += r[i * n + j] * r[k * n + j];
      for (std::size_t j = 0; j < n; ++j) r[i * n + j] -= dot * r[k * n + j];
    }
    double squares = 0;
    for (std::size_t j = 0; j < n; ++j) squares += r[i * n + j] * r[i * n + j];
    for (std::size_t j = 0; j < n; ++j) r[i * n + j] /= std::sqrt(squares);
  }
  return r;
}

std::vector<float> turned(const std::vector<float>& vectors, std::size_t width) {
  const std::vector<double> rotation = random_rotation(width, 3);
  std::vector<float> out;
  for (std::size_t row = 0; row < vectors.size(); row += width)
    for (std::size_t i = 0; i < width; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < width; ++j) sum += rotation[i * width + j] * static_cast<double>(vectors[row + j]);
      out.push_back(static_cast<float>(sum));
    }
  return out;
}

TEST_CASE("renaming users and items: degree bins, percentiles, cluster shares, densities and lifts are the same") {
  const std::vector<thaw::Rating> ratings = grouped_ratings();
  const auto user = shuffled(kUsers, 1), item = shuffled(kItems, 2);
  std::vector<thaw::Rating> renamed;
  for (const thaw::Rating& r : ratings)
    renamed.push_back({user[static_cast<std::size_t>(r.user)], item[static_cast<std::size_t>(r.item)], 1});
  const thaw::Interactions x = interactions_of(ratings), y = interactions_of(renamed);
  for (const bool of_users : {true, false}) {
    const auto& to = of_users ? user : item;
    const auto a = degrees(of_users ? x.by_user : x.by_item), b = degrees(of_users ? y.by_user : y.by_item);
    const auto p = thaw::percentiles(a), q = thaw::percentiles(b);
    const thaw::Bins bins = thaw::mass_bins(a, a, 10), other = thaw::mass_bins(b, b, 10);
    CHECK(bins.edges == other.edges);
    CHECK(bins.count() >= 5);
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto k = static_cast<std::size_t>(to[i]);
      CHECK(a[i] == b[k]);
      CHECK(p[i] == q[k]);
      CHECK(bins.of(a[i]) == other.of(b[k]));
    }
  }
  // The same clusters under both names.
  constexpr std::int32_t kClusters = 5;
  std::vector<std::int32_t> cluster_of(kUsers + kItems), cluster_of_renamed(cluster_of.size());
  for (std::int32_t node = 0; node < kUsers + kItems; ++node) {
    const std::int32_t to =
        node < kUsers ? user[static_cast<std::size_t>(node)] : kUsers + item[static_cast<std::size_t>(node - kUsers)];
    cluster_of[static_cast<std::size_t>(node)] = (node % 3) + (node % 7 == 0 ? 2 : 0);
    cluster_of_renamed[static_cast<std::size_t>(to)] = cluster_of[static_cast<std::size_t>(node)];
  }
  CHECK(thaw::cluster_shares(thaw::cluster_counts(cluster_of, kClusters)) ==
        thaw::cluster_shares(thaw::cluster_counts(cluster_of_renamed, kClusters)));
  const auto density = thaw::block_densities(x, cluster_of, kClusters);
  CHECK(density == thaw::block_densities(y, cluster_of_renamed, kClusters));
  CHECK(density[0] > 0);
  CHECK(thaw::block_lifts(x, cluster_of, kClusters) == thaw::block_lifts(y, cluster_of_renamed, kClusters));
}

TEST_CASE("turning all node vectors: clusters of nodes and of averages, shares, densities and cosines stay") {
  constexpr std::size_t kWidth = 16;
  const thaw::Interactions x = interactions_of(grouped_ratings());
  const thaw::IdLists graph = thaw::bipartite_neighbours(x);
  const auto walks = thaw::bipartite_walks(graph, {.length = 20, .per_node = 20, .seed = 4});
  auto trained = thaw::train_skip_gram(walks.value(), graph.rows(), {.width = kWidth, .learning_rate = 0.1});
  CHECK(trained.ok());
  if (!trained) return;
  std::vector<float> vectors = std::move(trained.value().input);
  thaw::scale_to_unit_rows(vectors, kWidth);
  const std::vector<float> other = turned(vectors, kWidth);
  const auto a = thaw::k_means(vectors, kWidth, {.clusters = 8, .seed = 5}),
             b = thaw::k_means(other, kWidth, {.clusters = 8, .seed = 5});
  CHECK((a.ok() && b.ok()));
  if (!a || !b) return;
  CHECK(a.value().cluster_of == b.value().cluster_of);
  CHECK(thaw::cluster_shares(a.value().sizes) == thaw::cluster_shares(b.value().sizes));
  CHECK(thaw::block_densities(x, a.value().cluster_of, 8) == thaw::block_densities(x, b.value().cluster_of, 8));
  std::vector<thaw::NodePair> pairs;
  for (std::int32_t user = 0; user < kUsers; ++user)
    for (const std::int32_t item : x.by_user.row(user)) pairs.push_back({user, kUsers + item});
  for (const thaw::NodePair& pair : pairs) {
    double cosine = 0, after = 0;
    for (std::size_t j = 0; j < kWidth; ++j) {
      const auto u = static_cast<std::size_t>(pair.first) * kWidth + j;
      const auto v = static_cast<std::size_t>(pair.second) * kWidth + j;
      cosine += static_cast<double>(vectors[u]) * static_cast<double>(vectors[v]);
      after += static_cast<double>(other[u]) * static_cast<double>(other[v]);
    }
    CHECK(std::fabs(cosine - after) < 1e-5);
  }
  for (const EdgeOperator op :
       {EdgeOperator::average, EdgeOperator::hadamard, EdgeOperator::weighted_l1, EdgeOperator::weighted_l2}) {
    const thaw::KMeansOptions options{.clusters = 12, .seed = 6};
    const auto before = thaw::k_means(thaw::edge_vectors(op, vectors, kWidth, pairs), kWidth, options);
    const auto after = thaw::k_means(thaw::edge_vectors(op, other, kWidth, pairs), kWidth, options);
    CHECK((before.ok() && after.ok()));
    if (!before || !after) return;
    // The other three work on coordinates, which a turn mixes.
    CHECK((before.value().cluster_of == after.value().cluster_of) == (op == EdgeOperator::average));
  }
}

}  // namespace
