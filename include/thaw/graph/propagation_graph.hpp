// PropagationGraph: users and items as one graph with the weights 1 / sqrt(degree of both ends) on its edges.
//
//   const thaw::PropagationGraph graph(interactions);        // node u is user u, node users + i is item i
//   graph.sum_neighbours(isa, threads, {...});
//
// The matrix P = D^-1/2 A D^-1/2 of LightGCN (He et al., SIGIR 2020), which is its own transpose. Nodes without edges
// have the weight 0. Rows are cut into parts of about equal work, so that threads share nothing and sums never depend
// on them. Not weighted by ratings.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/kernels/vector_math_map.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/graph/interactions.hpp"
#include "thaw/graph/kernels/sum_neighbours_types.hpp"
#include "thaw/graph/walks.hpp"

#define THAW_KERNEL_FILE "thaw/graph/kernels/sum_neighbours_body.hpp"
#include "thaw/backend/kernels/for_each_isa.hpp"

namespace thaw::inline v0 {

class PropagationGraph {
 public:
  explicit PropagationGraph(const Interactions& x) : users_(x.user_count()), neighbours_(bipartite_neighbours(x)) {
    const auto n = static_cast<std::size_t>(nodes());
    for (std::size_t v = 0; v < n; ++v) {
      const auto degree = static_cast<double>(neighbours_.row(static_cast<std::int32_t>(v)).size());
      scale64_.push_back(degree > 0 ? 1 / std::sqrt(degree) : 0.0);
      scale32_.push_back(static_cast<float>(scale64_.back()));
    }
    edges_ = static_cast<Index>(neighbours_.ids.size());
    neighbours_.ids.resize(neighbours_.ids.size() + static_cast<std::size_t>(detail::kNeighboursAhead), 0);
  }

  Index nodes() const { return neighbours_.rows(); }
  Index users() const { return users_; }
  Index items() const { return nodes() - users_; }
  // Entries of the matrix: every interaction twice.
  Index edges() const { return edges_; }
  Index degree(Index node) const { return static_cast<Index>(neighbours_.row(static_cast<std::int32_t>(node)).size()); }
  std::span<const std::int32_t> row(Index node) const { return neighbours_.row(static_cast<std::int32_t>(node)); }
  const IdLists& neighbours() const { return neighbours_; }
  // 1 / sqrt(degree) of each node.
  template <class Real>
  const Real* scale() const {
    if constexpr (sizeof(Real) == sizeof(float))
      return scale32_.data();
    else
      return scale64_.data();
  }

  // The rows of part p of `parts`: a stretch of users and one of items with about 1 / parts of the edges of each side.
  struct Part {
    Index user_begin, user_end, item_begin, item_end;  // nodes
  };
  Part part(int p, int parts) const {
    return {cut(0, users_, p, parts), cut(0, users_, p + 1, parts), cut(users_, nodes(), p, parts),
            cut(users_, nodes(), p + 1, parts)};
  }

  // One stretch of rows begin <= r < end: out[r - begin] = factor[r] * sum of scale[c] * table[c]. See NeighbourSums.
  template <class Real>
  void sum_rows(Isa isa, Index begin, Index end, const Real* table, Index width, Index stride, const Real* scale,
                const Real* factor, Real* out) const {
    const detail::NeighbourSums<Real> sums{
        neighbours_.offsets.data(), neighbours_.ids.data(), begin, end, table, width, stride, scale, factor, out};
    THAW_DISPATCH(isa, sum_neighbours(sums));
  }

 private:
  // The node of [begin, end) before which p / parts of their edges lie.
  Index cut(Index begin, Index end, int p, int parts) const {
    const auto at = [&](Index v) { return neighbours_.offsets[static_cast<std::size_t>(v)]; };
    const std::int64_t goal = at(begin) + (at(end) - at(begin)) * p / parts;
    if (p == parts) return end;
    const auto first = neighbours_.offsets.begin();
    return std::lower_bound(first + begin, first + end, goal) - first;
  }

  Index users_;
  IdLists neighbours_;  // `ids` has kNeighboursAhead spare entries
  Index edges_ = 0;
  std::vector<double> scale64_;
  std::vector<float> scale32_;
};

}  // namespace thaw::inline v0
