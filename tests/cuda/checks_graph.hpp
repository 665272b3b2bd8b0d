// Checks of propagation over a graph that was placed on a device, beside the dense matrix.
#pragma once

#include "tests/cuda/report.hpp"
#include "thaw/graph/placed_graph.hpp"
#include "thaw/ops/product.hpp"

namespace device_checks {

// Users 0 .. 4 and items 5 .. 10; user 3 and item 10 have no edges.
struct SmallGraph {
  static constexpr Index kNodes = 11;
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> ids;
  Numbers dense = Numbers(kNodes * kNodes, 0);

  SmallGraph() {
    const int edges[][2] = {{0, 5}, {0, 6}, {0, 9}, {1, 5}, {2, 5}, {2, 7}, {2, 8}, {4, 5}, {4, 9}};
    std::vector<std::vector<std::int32_t>> rows(kNodes);
    for (const auto& e : edges) {
      rows[static_cast<std::size_t>(e[0])].push_back(e[1]);
      rows[static_cast<std::size_t>(e[1])].push_back(e[0]);
    }
    for (std::size_t v = 0; v < kNodes; ++v) {
      for (const std::int32_t c : rows[v]) {
        ids.push_back(c);
        const double degrees = static_cast<double>(rows[v].size() * rows[static_cast<std::size_t>(c)].size());
        dense[v * kNodes + static_cast<std::size_t>(c)] = 1 / std::sqrt(degrees);
      }
      offsets.push_back(static_cast<std::int64_t>(ids.size()));
    }
  }
};

template <class B, class R>
void check_graph(Side<B, R> side) {
  const SmallGraph graph;
  thaw::ContextScope<typename B::Context> memory(side.context);
  const auto placed = thaw::place_graph<R, B>(side.context, SmallGraph::kNodes, graph.offsets.data(), graph.ids.data());
  for (const Index width : {1, 5, 64})
    side.compare("propagate, width " + std::to_string(width), {{SmallGraph::kNodes, width}}, [&](const auto* x) {
      using V = std::remove_cvref_t<decltype(x[0])>;
      if constexpr (thaw::has_own_memory<typename V::Context>) {
        return thaw::square(thaw::propagate(placed, x[0]));
      } else {
        const Arrays<typename V::Backend, typename V::Real> arrays{x[0].tape->context()};
        return thaw::square(thaw::matmul(arrays.make({SmallGraph::kNodes, SmallGraph::kNodes}, graph.dense), x[0]));
      }
    });
}

}  // namespace device_checks
