// Vectors of pairs from vectors of nodes: average, Hadamard, weighted L1 and L2 (Grover and Leskovec, KDD 2016, table
// 1), and the nearest cluster of a pair.
//
//   thaw::edge_vector(thaw::EdgeOperator::hadamard, user_vector, item_vector, out);
//   auto edges = thaw::edge_vectors(thaw::EdgeOperator::hadamard, vectors.input, width, pairs);
//   thaw::PairClusters nearest(thaw::EdgeOperator::hadamard, edge_clusters);
//   nearest.assign(user_vector, item_vectors, cluster_of);          // one user and any number of items
//
// Clusters of the average follow a rotation of all node vectors; those of the other three do not, so they change with
// the seed that the node vectors were trained with.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/graph/k_means.hpp"
#include "thaw/graph/nearest_centroid.hpp"

namespace thaw::inline v0 {

enum class EdgeOperator : std::uint8_t {
  average,      // (a + b) / 2
  hadamard,     // a * b
  weighted_l1,  // |a - b|
  weighted_l2,  // (a - b)^2
};

struct NodePair {
  std::int32_t first = 0, second = 0;
};

// out[j] from a[j] and b[j]; all of one length. Symmetric in a and b.
inline void edge_vector(EdgeOperator op, std::span<const float> a, std::span<const float> b, std::span<float> out) {
  require(a.size() == b.size() && a.size() == out.size(), "edge_vector: vectors of ", a.size(), " and ", b.size(),
          " into ", out.size());
  const std::size_t n = out.size();
  switch (op) {
    case EdgeOperator::average:
      for (std::size_t j = 0; j < n; ++j) out[j] = 0.5f * (a[j] + b[j]);
      return;
    case EdgeOperator::hadamard:
      for (std::size_t j = 0; j < n; ++j) out[j] = a[j] * b[j];
      return;
    case EdgeOperator::weighted_l1:
      for (std::size_t j = 0; j < n; ++j) out[j] = std::fabs(a[j] - b[j]);
      return;
    case EdgeOperator::weighted_l2:
      for (std::size_t j = 0; j < n; ++j) out[j] = (a[j] - b[j]) * (a[j] - b[j]);
      return;
  }
}

// The vectors of many pairs, (pairs, width); vectors (nodes, width).
inline std::vector<float> edge_vectors(EdgeOperator op, std::span<const float> vectors, Index width,
                                       std::span<const NodePair> pairs) {
  const auto w = static_cast<std::size_t>(width);
  std::vector<float> out(pairs.size() * w);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto row = [&](std::int32_t node) { return vectors.subspan(static_cast<std::size_t>(node) * w, w); };
    edge_vector(op, row(pairs[i].first), row(pairs[i].second), std::span<float>(out).subspan(i * w, w));
  }
  return out;
}

// The nearest cluster of pairs (u, v) for one u and many v. For Hadamard |u * v - c|^2 = const - 2 <u * c, v> + |c|^2,
// and the average is alike, so that neither builds the vectors of the pairs: one matrix product an u. Keeps a
// workspace; one a thread. The clusters must outlive it.
class PairClusters {
 public:
  PairClusters(EdgeOperator op, const Clusters& clusters)
      : op_(op), clusters_(clusters), engine_(clusters.count, clusters.width) {
    engine_.set(clusters.centroids);
    const auto width = static_cast<std::size_t>(clusters.width);
    half_.assign(width, 0.5f);
    shift_.resize(static_cast<std::size_t>(clusters.count));
    if (op == EdgeOperator::weighted_l1 || op == EdgeOperator::weighted_l2)
      pairs_.resize(width * static_cast<std::size_t>(kRows));
  }

  // cluster_of[i] for the pair of u (width) and row i of v (rows, width).
  void assign(std::span<const float> u, std::span<const float> v, std::span<std::int32_t> cluster_of) {
    const auto width = static_cast<std::size_t>(clusters_.width);
    require(u.size() == width && v.size() == width * cluster_of.size(), "PairClusters: a vector of ", u.size(), " and ",
            v.size(), " numbers for ", cluster_of.size(), " pairs of width ", clusters_.width);
    const auto count = static_cast<Index>(cluster_of.size());
    if (op_ == EdgeOperator::hadamard) {
      engine_.set_scaled(clusters_.centroids, u);
      engine_.assign(v.data(), count, cluster_of.data());
    } else if (op_ == EdgeOperator::average) {
      // <(u + v) / 2, c> = <u, c> / 2 + <v, c / 2>
      engine_.set_scaled(clusters_.centroids, half_);
      for (Index k = 0; k < clusters_.count; ++k) {
        float dot = 0;
        for (std::size_t j = 0; j < width; ++j) dot += u[j] * clusters_.centroid(k)[j];
        shift_[static_cast<std::size_t>(k)] = 0.5f * dot;
      }
      engine_.add_shift(shift_);
      engine_.assign(v.data(), count, cluster_of.data());
    } else {
      assign_built(u, v, cluster_of);
    }
  }

 private:
  static constexpr Index kRows = 256;

  void assign_built(std::span<const float> u, std::span<const float> v, std::span<std::int32_t> cluster_of) {
    const auto width = static_cast<std::size_t>(clusters_.width);
    for (std::size_t begin = 0; begin < cluster_of.size(); begin += static_cast<std::size_t>(kRows)) {
      const std::size_t count = (std::min)(static_cast<std::size_t>(kRows), cluster_of.size() - begin);
      for (std::size_t i = 0; i < count; ++i)
        edge_vector(op_, u, v.subspan((begin + i) * width, width), std::span<float>(pairs_).subspan(i * width, width));
      engine_.assign(pairs_.data(), static_cast<Index>(count), cluster_of.data() + begin);
    }
  }

  EdgeOperator op_;
  const Clusters& clusters_;
  NearestCentroid engine_;
  std::vector<float> half_, shift_, pairs_;
};

}  // namespace thaw::inline v0
