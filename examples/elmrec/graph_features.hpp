// Vectors of users and items from random numbers and the graph alone: nothing is learnt.
//
//   const thaw::PropagationGraph graph(interactions);
//   const elmrec::GraphFeatures features(graph, {.width = 512, .layers = 4, .sigma = 5});
//   features.node(user); features.node(graph.users() + item);           // rows of `width` numbers
//   features.new_user(history, vector);                                 // a user whom the graph does not know
//
//   X0 = sigma * normal numbers,  X(k+1) = D^-1/2 A D^-1/2 X(k),  features = (X0 + ... + XL) / (L + 1)
//
// The dot product of two rows over sigma^2 * width is, on average, a sum over all walks between the two nodes; with d
// numbers a row it fluctuates by about 1 / sqrt(d), in which walks of three steps mostly drown. A row for "no entity"
// is not here. Also keeps what one more round needs: a new node is one step from its few edges.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/graph/propagation_graph.hpp"

namespace elmrec {

using thaw::Index;

struct GraphFeatureOptions {
  Index width = 512;
  int layers = 4;
  double sigma = 1;
  std::uint64_t seed = 1;
  bool without_own = false;  // leave X0 out of the mean (which then is over L): the largest part, and pure noise
};

class GraphFeatures {
 public:
  GraphFeatures(const thaw::PropagationGraph& graph, const GraphFeatureOptions& o)
      : GraphFeatures(graph, o, start(graph, o)) {}
  // From given vectors X0 (nodes, width), trained ones for instance.
  GraphFeatures(const thaw::PropagationGraph& graph, const GraphFeatureOptions& o, std::vector<float> own)
      : graph_(&graph), o_(o), mean_(own), lower_(own.size(), 0.0f) {
    thaw::require(
        static_cast<Index>(own.size()) == graph.nodes() * o.width && o.layers >= 0 && (o.layers > 0 || !o.without_own),
        "GraphFeatures: ", own.size(), " numbers for ", graph.nodes(), " nodes of width ", o.width, ", ", o.layers,
        " layers");
    if (o.without_own) std::fill(mean_.begin(), mean_.end(), 0.0f);
    const thaw::Isa isa = thaw::detect_isa();
    const float* const scale = graph.scale<float>();
    std::vector<float> next(o.layers > 0 ? own.size() : 0);
    for (int k = 0; k < o.layers; ++k) {
      for (std::size_t i = 0; i < own.size(); ++i) lower_[i] += own[i];
      graph.sum_rows(isa, 0, graph.nodes(), own.data(), o.width, o.width, scale, scale, next.data());
      own.swap(next);
      for (std::size_t i = 0; i < own.size(); ++i) mean_[i] += own[i];
    }
    for (float& x : mean_) x *= static_cast<float>(share());
  }

  Index width() const { return o_.width; }
  Index nodes() const { return graph_->nodes(); }
  std::span<const float> node(Index v) const { return row(mean_, v); }
  std::span<const float> all() const { return mean_; }

  // What a user with these items, or an item with these users, would have but for the part of her own X0: the sum over
  // her neighbours n of (X0 + ... + X(L-1))[n] / sqrt(degree(n) * count), over L + 1. Zeros without a neighbour.
  void new_user(std::span<const std::int32_t> items, std::span<float> out) const {
    new_node(items, graph_->users(), out);
  }
  void new_item(std::span<const std::int32_t> users, std::span<float> out) const { new_node(users, 0, out); }

 private:
  static std::vector<float> start(const thaw::PropagationGraph& graph, const GraphFeatureOptions& o) {
    std::vector<float> own(static_cast<std::size_t>(graph.nodes() * o.width));
    const thaw::Key key = thaw::Key{o.seed}.fold(0x666561747572);
    for (Index v = 0; v < graph.nodes(); ++v) {
      thaw::Philox rng(key.bits, static_cast<std::uint64_t>(v));
      for (Index j = 0; j < o.width; ++j)
        own[static_cast<std::size_t>(v * o.width + j)] = static_cast<float>(o.sigma * rng.normal());
    }
    return own;
  }
  double share() const { return 1.0 / (o_.without_own ? o_.layers : o_.layers + 1); }
  std::span<const float> row(const std::vector<float>& table, Index v) const {
    return std::span(table).subspan(static_cast<std::size_t>(v * o_.width), static_cast<std::size_t>(o_.width));
  }
  void new_node(std::span<const std::int32_t> neighbours, Index first, std::span<float> out) const {
    thaw::require(static_cast<Index>(out.size()) == o_.width, "GraphFeatures: room for ", out.size(),
                  " numbers of width ", o_.width);
    std::fill(out.begin(), out.end(), 0.0f);
    const double own = share() / std::sqrt(static_cast<double>(neighbours.empty() ? 1 : neighbours.size()));
    for (const std::int32_t n : neighbours) {
      const auto weight = static_cast<float>(own * graph_->scale<double>()[first + n]);
      const auto from = row(lower_, first + n);
      for (std::size_t j = 0; j < out.size(); ++j) out[j] += weight * from[j];
    }
  }

  const thaw::PropagationGraph* graph_;
  GraphFeatureOptions o_;
  std::vector<float> mean_;   // (nodes, width)
  std::vector<float> lower_;  // (nodes, width): X0 + ... + X(L-1)
};

}  // namespace elmrec
