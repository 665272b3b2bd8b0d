// propagate: one step over the normalised user-item graph, y = D^-1/2 A D^-1/2 x, as an operation.
//
//   const thaw::PropagationGraph graph(interactions);
//   auto next = thaw::propagate(graph, x);                      // x (users + items, width), Array or Var
//   auto final = thaw::propagated_mean(graph, x, 3);            // LightGCN: the mean of 0, 1, 2 and 3 steps
//
// The matrix is symmetric and the operation linear, so its gradient is the operation itself, to every order. Works with
// the threads of the context and gives the same numbers for any count of them. The graph is not copied: it must live as
// long as the tape. A whole training step is faster fused: lightgcn.hpp.
#pragma once

#include "thaw/graph/propagation_graph.hpp"
#include "thaw/ops/elementwise.hpp"

namespace thaw::inline v0 {

template <Value T>
T propagate(const PropagationGraph& graph, const T& x);

namespace op {

// x (nodes, width) -> (nodes, width).
struct Propagate {
  static constexpr const char* name = "propagate";
  struct Attr {
    const PropagationGraph* graph;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(in[0].shape.rank == 2 && in[0].shape[0] == attr.graph->nodes(), "propagate: shape ", in[0].shape,
            " for a graph of ", attr.graph->users(), " users and ", attr.graph->items(),
            " items, expected one row a node");
    return in[0].shape;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    using Real = typename A::Real;
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const PropagationGraph& graph = *attr.graph;
    const Index width = out.shape[1];
    Isa isa = Isa::portable;
    if constexpr (requires { context.isa; }) isa = context.isa;
    const bool worth_it = static_cast<double>(graph.edges()) * static_cast<double>(width) > 5e5;
    const int parts = worth_it ? threads_of(context) : 1;
    const Real* const scale = graph.template scale<Real>();
    in_parallel(parts, [&](int p) {
      const auto part = graph.part(p, parts);
      graph.sum_rows(isa, part.user_begin, part.user_end, in[0].data, width, width, scale, scale,
                     out.data + part.user_begin * width);
      graph.sum_rows(isa, part.item_begin, part.item_end, in[0].data, width, width, scale, scale,
                     out.data + part.item_begin * width);
    });
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T*, int, Adjoints<T>& d) {
    d.give(0, propagate(*attr.graph, g));
  }
};

}  // namespace op

// D^-1/2 A D^-1/2 x. Errors: a number of rows that is not the graph's.
template <Value T>
T propagate(const PropagationGraph& graph, const T& x) {
  return apply<op::Propagate>({&graph}, {x});
}

// (x + P x + ... + P^layers x) / (layers + 1): the embeddings that LightGCN scores with.
template <Value T>
T propagated_mean(const PropagationGraph& graph, const T& x, int layers) {
  require(layers >= 0, "propagated_mean: ", layers, " layers");
  T sum = x, layer = x;
  for (int k = 0; k < layers; ++k) {
    layer = propagate(graph, layer);
    sum = add(sum, layer);
  }
  return thaw::scale(sum, 1.0 / (layers + 1));
}

}  // namespace thaw::inline v0
