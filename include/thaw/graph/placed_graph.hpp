// PlacedGraph: a user-item graph in the memory of a device, copied once, for propagation step after step.
//
//   const auto graph = thaw::place_graph<float, thaw::Cuda>(context, nodes, offsets, ids);
//   auto next = thaw::propagate(graph, x);                      // y = D^-1/2 A D^-1/2 x; x (nodes, width)
//
// The same matrix as graph/propagate.hpp, which reads a graph of the host at every call. The matrix must be its own
// transpose: every edge in both directions. The memory is that of the context, until it is rewound.
#pragma once

#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

template <class R, class B>
struct PlacedGraph {
  Index nodes = 0, edges = 0;             // entries of the matrix: each edge twice
  const std::int64_t* offsets = nullptr;  // (nodes + 1)
  const std::int32_t* ids = nullptr;      // (edges)
  const R* scale = nullptr;               // (nodes): 1 / sqrt(degree), 0 without edges
};

// From the neighbours of each node: ids[offsets[v]] .. ids[offsets[v + 1]), on the host.
template <class R, class B>
PlacedGraph<R, B> place_graph(typename B::Context& context, Index nodes, const std::int64_t* offsets,
                              const std::int32_t* ids) {
  const Index edges = nodes == 0 ? 0 : static_cast<Index>(offsets[nodes]);
  Arena& memory = memory_of(context);
  auto* const placed_offsets = memory.template take<std::int64_t>(nodes + 1);
  auto* const placed_ids = memory.template take<std::int32_t>(edges);
  R* const placed_scale = memory.template take<R>(nodes);
  ArenaScope scope(*context.arena);
  R* const scale = context.arena->template take<R>(nodes);
  for (Index v = 0; v < nodes; ++v) {
    const std::int64_t degree = offsets[v + 1] - offsets[v];
    scale[v] = static_cast<R>(degree > 0 ? 1 / __builtin_sqrt(static_cast<double>(degree)) : 0.0);
  }
  B::upload(context, nodes + 1, offsets, placed_offsets);
  B::upload(context, edges, ids, placed_ids);
  B::upload(context, nodes, scale, placed_scale);
  return {nodes, edges, placed_offsets, placed_ids, placed_scale};
}

template <class R, class B, Value T>
T propagate(const PlacedGraph<R, B>& graph, const T& x);

namespace op {

// x (nodes, width) -> (nodes, width); its gradient is the operation itself.
template <class R, class B>
struct PropagatePlaced {
  static constexpr const char* name = "propagate";
  struct Attr {
    PlacedGraph<R, B> graph;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(in[0].shape.rank == 2 && in[0].shape[0] == attr.graph.nodes, "propagate: shape ", in[0].shape,
            " for a graph of ", attr.graph.nodes, " nodes, expected one row a node");
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const PlacedGraph<R, B>& graph = attr.graph;
    B::neighbour_sums(context, graph.nodes, out.shape[1], graph.offsets, graph.ids, graph.scale, in[0].data, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, thaw::propagate(attr.graph, g));
  }
};

}  // namespace op

// D^-1/2 A D^-1/2 x. Errors: a number of rows that is not the graph's.
template <class R, class B, Value T>
T propagate(const PlacedGraph<R, B>& graph, const T& x) {
  return apply<op::PropagatePlaced<R, B>>({graph}, {x});
}

}  // namespace thaw::inline v0
