// The published features: what kind of user, what kind of item, what kind of interaction, each as one-hot bins.
//
//   thaw::Result<zero_shot::PaperStatistics> target = zero_shot::PaperStatistics::fit(visible, {.seed = 1});
//   zero_shot::PaperPairs pairs;
//   pairs.build(target.value(), user, history, {});      // 80 numbers a pair, 8 of them 1
//
// Group A, activity: degrees of user and item in ten bins of equal mass each. Group B, co-occurrence: node2vec vectors
// of the interaction graph, k-means over users and items together, size and density of the node's cluster in ten bins
// each. Group C, interaction type: Hadamard products of the vectors of an edge's ends, k-means over training edges,
// size and lift of the pair's nearest cluster in ten bins each. Vectors, clusters and bin edges are fitted to the data
// set at hand without labels; only the weights of the network travel. Users must be nodes of the graph. Source: Pre-
// trained Neural Recommenders, arXiv 2309.01188, sections as far as they are public; what is not published is our own
// choice (docs/zero_shot.md).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thaw/graph/bins.hpp"
#include "thaw/graph/cluster_statistics.hpp"
#include "thaw/graph/edge_operators.hpp"
#include "thaw/graph/skip_gram.hpp"
#include "thaw/graph/walks.hpp"

namespace zero_shot {

inline constexpr int kPaperBins = 10;
inline constexpr int kPaperFeatures = 8 * kPaperBins;

struct PaperOptions {
  std::int32_t walk_length = 20, walks_per_node = 5;
  thaw::Index width = 64;
  int window = 5;
  std::int32_t edge_clusters = 100;
  std::int32_t sampled_edges = 25'600;  // of the edges' k-means
  thaw::EdgeOperator edge = thaw::EdgeOperator::hadamard;
  std::uint64_t seed = 1;
};

class PaperStatistics {
 public:
  static thaw::Result<PaperStatistics> fit(const thaw::RatingGraph& visible, const PaperOptions& options) {
    thaw::Result<thaw::Interactions> x = thaw::Interactions::from_graph(visible);
    if (!x) return x.fault();
    PaperStatistics s;
    s.x_ = std::move(x.value());
    s.o_ = options;
    s.bin_activity();
    if (thaw::Result<thaw::Done> done = s.fit_vectors(); !done) return done.fault();
    if (thaw::Result<thaw::Done> done = s.cluster_nodes(); !done) return done.fault();
    if (thaw::Result<thaw::Done> done = s.cluster_edges(); !done) return done.fault();
    return s;
  }

  const thaw::Interactions& interactions() const { return x_; }
  std::int32_t item_count() const { return x_.item_count(); }
  float item_degree(std::int32_t item) const { return static_cast<float>(x_.by_item.row(item).size()); }
  const thaw::Clusters& edge_clusters() const { return edges_; }
  const thaw::Clusters& node_clusters() const { return nodes_; }
  thaw::EdgeOperator edge_operator() const { return o_.edge; }
  // The unit vector of a node: user u is node u, item i is node users + i.
  std::span<const float> vector(std::int32_t node) const {
    return {&vectors_[static_cast<std::size_t>(node * o_.width)], static_cast<std::size_t>(o_.width)};
  }
  std::span<const float> item_vectors() const {
    return std::span<const float>(vectors_).subspan(static_cast<std::size_t>(x_.user_count() * o_.width));
  }
  // Bins: activity, cluster size and cluster density of a node; size and lift of an edge cluster.
  const std::array<std::uint8_t, 3>& node_bins(std::int32_t node) const {
    return node_bins_[static_cast<std::size_t>(node)];
  }
  const std::array<std::uint8_t, 2>& edge_bins(std::int32_t cluster) const {
    return edge_bins_[static_cast<std::size_t>(cluster)];
  }

 private:
  static std::vector<std::uint8_t> binned(std::span<const double> values, std::span<const double> masses) {
    const thaw::Bins bins = thaw::mass_bins(values, masses, kPaperBins);
    std::vector<std::uint8_t> out;
    for (const double v : values) out.push_back(static_cast<std::uint8_t>(bins.of(v)));
    return out;
  }
  void bin_activity() {
    node_bins_.resize(static_cast<std::size_t>(x_.user_count()) + static_cast<std::size_t>(x_.item_count()));
    std::size_t node = 0;
    for (const thaw::IdLists* lists : {&x_.by_user, &x_.by_item}) {
      std::vector<double> degree;
      for (std::int32_t row = 0; row < lists->rows(); ++row)
        degree.push_back(static_cast<double>(lists->row(row).size()));
      for (const std::uint8_t bin : binned(degree, degree)) node_bins_[node++][0] = bin;
    }
  }
  thaw::Result<thaw::Done> fit_vectors() {
    const thaw::IdLists graph = thaw::bipartite_neighbours(x_);
    const auto walks =
        thaw::bipartite_walks(graph, {.length = o_.walk_length, .per_node = o_.walks_per_node, .seed = o_.seed});
    if (!walks) return walks.fault();
    auto vectors =
        thaw::train_skip_gram(walks.value(), graph.rows(), {.width = o_.width, .window = o_.window, .seed = o_.seed});
    if (!vectors) return vectors.fault();
    vectors_ = std::move(vectors.value().input);
    thaw::scale_to_unit_rows(vectors_, o_.width);
    return thaw::Done{};
  }
  thaw::Result<thaw::Done> cluster_nodes() {
    const auto n = static_cast<double>(node_bins_.size());
    const double wanted = (std::min)((std::max)(std::round(std::sqrt(n)), 16.0), 256.0);
    const auto count = static_cast<thaw::Index>((std::min)(wanted, n));
    auto clusters = thaw::k_means(vectors_, o_.width, {.clusters = count, .iterations = 25, .seed = o_.seed});
    if (!clusters) return clusters.fault();
    nodes_ = std::move(clusters.value());
    const auto size = thaw::cluster_shares(nodes_.sizes);
    const auto density = thaw::block_densities(x_, nodes_.cluster_of, static_cast<std::int32_t>(count));
    const std::vector<double> ones(node_bins_.size(), 1.0);
    std::vector<double> sizes, densities;
    for (const std::int32_t k : nodes_.cluster_of) {
      sizes.push_back(size[static_cast<std::size_t>(k)]);
      densities.push_back(density[static_cast<std::size_t>(k)]);
    }
    const auto size_bins = binned(sizes, ones), density_bins = binned(densities, ones);
    for (std::size_t i = 0; i < node_bins_.size(); ++i)
      node_bins_[i][1] = size_bins[i], node_bins_[i][2] = density_bins[i];
    return thaw::Done{};
  }
  thaw::Result<thaw::Done> cluster_edges() {
    thaw::Philox rng(o_.seed, 0x6564676573);
    std::vector<thaw::NodePair> pairs;
    for (std::int32_t user = 0; user < x_.user_count(); ++user)
      for (const std::int32_t item : x_.by_user.row(user)) pairs.push_back({user, x_.user_count() + item});
    rng.shuffle(pairs);
    if (pairs.size() > static_cast<std::size_t>(o_.sampled_edges))
      pairs.resize(static_cast<std::size_t>(o_.sampled_edges));
    const auto points = thaw::edge_vectors(o_.edge, vectors_, o_.width, pairs);
    const auto count = (std::min)(static_cast<thaw::Index>(o_.edge_clusters), static_cast<thaw::Index>(pairs.size()));
    auto clusters = thaw::k_means(points, o_.width, {.clusters = count, .iterations = 15, .seed = o_.seed});
    if (!clusters) return clusters.fault();
    edges_ = std::move(clusters.value());
    // As many pairs drawn evenly, for the lift.
    for (thaw::NodePair& pair : pairs)
      pair = {static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(x_.user_count()))),
              x_.user_count() + static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(x_.item_count())))};
    const auto drawn = thaw::edge_vectors(o_.edge, vectors_, o_.width, pairs);
    thaw::NearestCentroid nearest(count, o_.width);
    nearest.set(edges_.centroids);
    std::vector<std::int32_t> cluster_of(pairs.size());
    nearest.assign(drawn.data(), static_cast<thaw::Index>(pairs.size()), cluster_of.data());
    const auto lift =
        thaw::edge_lifts(edges_.sizes, thaw::cluster_counts(cluster_of, static_cast<std::int32_t>(count)));
    const auto size = thaw::cluster_shares(edges_.sizes);
    const auto size_bins = binned(size, size), lift_bins = binned(lift, size);
    for (std::size_t k = 0; k < size.size(); ++k) edge_bins_.push_back({size_bins[k], lift_bins[k]});
    return thaw::Done{};
  }

  thaw::Interactions x_;
  PaperOptions o_;
  std::vector<float> vectors_;  // (nodes, width), unit length
  thaw::Clusters nodes_, edges_;
  std::vector<std::array<std::uint8_t, 3>> node_bins_;
  std::vector<std::array<std::uint8_t, 2>> edge_bins_;
};

// One-hot rows of the pairs of one user with the given items, or with all items that are not in the history.
class PaperPairs {
 public:
  void build(const PaperStatistics& s, std::int32_t user, std::span<const std::int32_t> history,
             std::span<const std::int32_t> also) {
    choose(s, history, also);
    std::vector<float>& vectors = vectors_;
    vectors.clear();
    for (const std::int32_t item : items_) {
      const auto v = s.vector(s.interactions().user_count() + item);
      vectors.insert(vectors.end(), v.begin(), v.end());
    }
    clusters_.resize(items_.size());
    thaw::PairClusters nearest(s.edge_operator(), s.edge_clusters());
    nearest.assign(s.vector(user), vectors, clusters_);
    rows_.assign(items_.size() * kPaperFeatures, 0.0f);
    for (std::size_t i = 0; i < items_.size(); ++i) fill(s, user, items_[i], clusters_[i], &rows_[i * kPaperFeatures]);
  }

  const std::vector<std::int32_t>& items() const { return items_; }
  std::span<const float> row(std::size_t i) const { return {&rows_[i * kPaperFeatures], kPaperFeatures}; }
  const std::vector<float>& rows() const { return rows_; }

 private:
  void choose(const PaperStatistics& s, std::span<const std::int32_t> history, std::span<const std::int32_t> also) {
    known_.assign(static_cast<std::size_t>(s.item_count()), 0);
    for (const std::int32_t item : history) known_[static_cast<std::size_t>(item)] = 1;
    items_.clear();
    const auto add = [&](std::int32_t item) {
      if (std::exchange(known_[static_cast<std::size_t>(item)], 1) == 0) items_.push_back(item);
    };
    for (const std::int32_t item : also) add(item);
    if (!also.empty()) return;
    for (std::int32_t item = 0; item < s.item_count(); ++item) add(item);
  }
  static void fill(const PaperStatistics& s, std::int32_t user, std::int32_t item, std::int32_t cluster, float* row) {
    for (const std::int32_t node : {user, s.interactions().user_count() + item})
      for (const std::uint8_t bin : s.node_bins(node)) row[bin] = 1, row += kPaperBins;
    for (const std::uint8_t bin : s.edge_bins(cluster)) row[bin] = 1, row += kPaperBins;
  }

  std::vector<char> known_;
  std::vector<std::int32_t> items_, clusters_;
  std::vector<float> vectors_, rows_;
};

}  // namespace zero_shot
