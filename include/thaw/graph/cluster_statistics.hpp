// What can be said of a cluster without naming its members: its size as a share, and how dense its edges are.
//
//   auto size = thaw::cluster_shares(clusters.sizes);                              // sums to 1
//   auto density = thaw::block_densities(interactions, clusters.cluster_of, 100);  // nodes: users first, then items
//   auto lift = thaw::edge_lifts(edge_cluster_counts, pair_cluster_counts);        // clusters of edges
//
// Such numbers mean the same in any data set, where cluster ids and coordinates do not. Density of a node cluster:
// interactions between its users and its items over all such pairs, 0 where a side is empty; a bipartite cluster can
// reach 1. Lift of an edge cluster: its share of the edges over its share of pairs drawn at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

// counts over their sum; all 0 without any.
inline std::vector<double> cluster_shares(std::span<const std::int64_t> counts) {
  std::int64_t total = 0;
  for (const std::int64_t c : counts) total += c;
  std::vector<double> shares;
  for (const std::int64_t c : counts)
    shares.push_back(total == 0 ? 0.0 : static_cast<double>(c) / static_cast<double>(total));
  return shares;
}

// How often each of `clusters` numbers occurs.
inline std::vector<std::int64_t> cluster_counts(std::span<const std::int32_t> cluster_of, std::int32_t clusters) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(clusters), 0);
  for (const std::int32_t c : cluster_of) {
    require(c >= 0 && c < clusters, "cluster_counts: cluster ", c, " of ", clusters);
    ++counts[static_cast<std::size_t>(c)];
  }
  return counts;
}

// Interactions inside a cluster over its users times its items. cluster_of: users first, then items.
inline std::vector<double> block_densities(const Interactions& x, std::span<const std::int32_t> cluster_of,
                                           std::int32_t clusters) {
  const auto users = static_cast<std::size_t>(x.user_count());
  require(cluster_of.size() == users + static_cast<std::size_t>(x.item_count()), "block_densities: clusters of ",
          cluster_of.size(), " nodes, there are ", users, " users and ", x.item_count(), " items");
  const auto of_users = cluster_counts(cluster_of.first(users), clusters);
  const auto of_items = cluster_counts(cluster_of.subspan(users), clusters);
  std::vector<std::int64_t> inside(static_cast<std::size_t>(clusters), 0);
  for (std::size_t user = 0; user < users; ++user)
    for (const std::int32_t item : x.by_user.row(static_cast<std::int32_t>(user)))
      if (cluster_of[user] == cluster_of[users + static_cast<std::size_t>(item)])
        ++inside[static_cast<std::size_t>(cluster_of[user])];
  std::vector<double> density;
  for (std::size_t k = 0; k < inside.size(); ++k) {
    const double pairs = static_cast<double>(of_users[k]) * static_cast<double>(of_items[k]);
    density.push_back(pairs > 0 ? static_cast<double>(inside[k]) / pairs : 0.0);
  }
  return density;
}

// Interactions between user cluster a and item cluster b over those expected if all pairs were alike: (clusters,
// clusters), row a. 0 where a side is empty.
inline std::vector<double> block_lifts(const Interactions& x, std::span<const std::int32_t> cluster_of,
                                       std::int32_t clusters) {
  const auto users = static_cast<std::size_t>(x.user_count());
  require(cluster_of.size() == users + static_cast<std::size_t>(x.item_count()), "block_lifts: clusters of ",
          cluster_of.size(), " nodes, there are ", users, " users and ", x.item_count(), " items");
  const auto of_users = cluster_counts(cluster_of.first(users), clusters);
  const auto of_items = cluster_counts(cluster_of.subspan(users), clusters);
  const auto n = static_cast<std::size_t>(clusters);
  std::vector<double> lift(n * n, 0.0);
  for (std::size_t user = 0; user < users; ++user)
    for (const std::int32_t item : x.by_user.row(static_cast<std::int32_t>(user)))
      lift[static_cast<std::size_t>(cluster_of[user]) * n +
           static_cast<std::size_t>(cluster_of[users + static_cast<std::size_t>(item)])] += 1;
  const double overall =
      static_cast<double>(x.by_user.ids.size()) / static_cast<double>(users) / static_cast<double>(x.item_count());
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b) {
      const double expected = overall * static_cast<double>(of_users[a]) * static_cast<double>(of_items[b]);
      lift[a * n + b] = expected > 0 ? lift[a * n + b] / expected : 0.0;
    }
  return lift;
}

// Share of the edges over share of the pairs, cluster by cluster. A cluster that no pair fell into is taken as if half
// a pair had, so that the lift stays finite. Averaged with the pairs' shares it is 1 where every cluster has a pair.
inline std::vector<double> edge_lifts(std::span<const std::int64_t> edges, std::span<const std::int64_t> pairs) {
  require(edges.size() == pairs.size(), "edge_lifts: ", edges.size(), " clusters of edges and ", pairs.size(),
          " of pairs");
  const std::vector<double> of_edges = cluster_shares(edges);
  std::int64_t total = 0;
  for (const std::int64_t p : pairs) total += p;
  std::vector<double> lift;
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const double seen = pairs[k] > 0 ? static_cast<double>(pairs[k]) : 0.5;
    lift.push_back(total == 0 ? 0.0 : of_edges[k] / (seen / static_cast<double>(total)));
  }
  return lift;
}

}  // namespace thaw::inline v0
