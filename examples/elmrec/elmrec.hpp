// ELMRec (Wang, Cui, Fukumoto and Suzuki, EMNLP 2024): a T5 whose tokens carry vectors of what they name.
//
//   const auto plan = elmrec::elmrec_plan({.language = tiny, .graph_width = 64});
//   auto x = elmrec::read_rows(net, batch, graph);               // (rows, width): what the encoder reads
//   auto loss = elmrec::answer_loss(net, batch, graph, dropout);
//
//   row = switch vector                                          in front of each prompt, by task
//   row = token + alpha (order of its entity)                    sequential
//   row = token + alpha W (graph vector of its entity)           direct; and sequential where the batch says so
//         + V (evidence on the candidate that it belongs to)     where there is some
//
// and, where there is a table of items (`best`):
//
//   row += alpha (own vector of its item)
//   k(item) = own vector + W (graph vector)                      what the prompt's state is compared with
//   score(item) = (row of the encoder's output at the end of the history) . k(item)
//
// The graph vectors are given from outside, fixed, or are the model's own table X0, propagated over the graph at every
// step and trained (`paper`: W is then the identity). Prompts follow one another without padding, and a prompt never
// sees another: the published code attends to padding, and learns to write it.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "elmrec/evidence.hpp"
#include "elmrec/prompts.hpp"
#include "elmrec/t5.hpp"
#include "thaw/graph/propagate.hpp"
#include "thaw/ops/cross_entropy.hpp"

namespace elmrec {

struct ElmRecConfig {
  T5Config language;
  Index switches = 3;         // vectors of the task switch, each task
  Index most_entities = 512;  // of one prompt
  Index graph_width = 0;      // of fixed graph vectors; 0: none
  Index own_nodes = 0;        // users + items of a trained table in their place; 0: none
  double sigma = 1;           // of that table's start
  bool evidence = true;
  double alpha = 1;
  Index items = 0;      // rows of a trained table of items; 0: none
  bool causal = false;  // the encoder sees the past only: every item of a history learns what came next
};

template <thaw::Value T>
struct ElmRec {
  T5<T> language;
  T switches;                                   // (tasks * switches, width)
  T order;                                      // (most_entities, width)
  thaw::Several<thaw::Projection<T>, 1> graph;  // (graph width -> width)
  thaw::Several<T, 1> nodes;                    // (users + items, width)
  thaw::Several<thaw::Projection<T>, 1> evidence;
  thaw::Several<T, 1> items;  // (items, width)
  double alpha = 1;
  bool causal = false;

  static void each(auto&& visit, auto&... m) {
    visit("language", m.language...);
    visit("switches", m.switches...);
    visit("order", m.order...);
    visit("graph", m.graph...);
    visit("nodes", m.nodes...);
    visit("evidence", m.evidence...);
    visit("items", m.items...);
    visit("alpha", m.alpha...);
    visit("causal", m.causal...);
  }
};

inline ElmRec<thaw::Spec> elmrec_plan(const ElmRecConfig& c) {
  const Index width = c.language.d_model;
  const auto normal = [&](Index rows, double deviation) {
    return thaw::Spec{{rows, width}, {thaw::Init::Kind::normal, deviation}};
  };
  ElmRec<thaw::Spec> plan;
  plan.language = t5_plan(c.language);
  plan.switches = normal(kTasks * c.switches, 1);
  plan.order = normal(c.most_entities, 1);
  if (c.own_nodes > 0) plan.nodes.push(normal(c.own_nodes, c.sigma));
  if (c.own_nodes == 0 && c.graph_width > 0)
    plan.graph.push(thaw::projection_spec(c.graph_width, width, 1 / std::sqrt(static_cast<double>(c.graph_width))));
  if (c.evidence) plan.evidence.push(thaw::projection_spec(kEvidence, width, 0.5));
  if (c.items > 0)
    plan.items.push(
        thaw::Spec{{c.items, width}, {thaw::Init::Kind::normal, 1 / std::sqrt(static_cast<double>(width))}});
  plan.alpha = c.alpha;
  plan.causal = c.causal;
  return plan;
}

// A batch as the model reads it: rows of all prompts one after another, each beginning with its switch vectors. Ids
// below zero: the row has no such part.
template <class A>
struct ElmRecBatch {
  thaw::Segments prompts;                     // rows of each prompt
  thaw::Bags tokens, switches, order, nodes;  // (rows) each
  thaw::Bags items;                           // (rows) each, of those with an own vector
  A evidence;                                 // (rows, kEvidence), zeros where there is none
  thaw::Segments answers;                     // tokens of each answer, the end among them
  thaw::Bags before;                          // (answer tokens) what the decoder reads
  const std::int32_t* next = nullptr;         // (answer tokens) what it must say
  thaw::Bags states;                          // (places) rows behind items of histories
  std::span<const std::int32_t> follows;      // (places) what came next there
  bool any_node = false, any_order = false;
};

// Vectors of users and items: fixed ones, or what the trained table is propagated over.
template <class A>
struct GraphInput {
  A vectors;                                      // (users + items, graph width)
  const thaw::PropagationGraph* graph = nullptr;  // for a trained table
  int layers = 4;
  A items;  // (items, graph width): the part of the fixed vectors that is of items
};

// (rows, width): what the encoder reads.
template <thaw::Value T, class A>
T read_rows(const ElmRec<T>& net, const ElmRecBatch<A>& batch, const GraphInput<A>& graph) {
  T x = thaw::add(net.language.embed(batch.tokens), thaw::gather(net.switches, batch.switches));
  if (batch.any_order) x = thaw::add(x, thaw::scale(thaw::gather(net.order, batch.order), net.alpha));
  if (batch.any_node && net.nodes.count > 0) {
    const T all = thaw::propagated_mean(*graph.graph, net.nodes[0], graph.layers);
    x = thaw::add(x, thaw::scale(thaw::gather(all, batch.nodes), net.alpha));
  }
  if (batch.any_node && net.graph.count > 0) {
    const A own = thaw::gather(graph.vectors, batch.nodes);
    x = thaw::add(x, thaw::scale(thaw::matmul(own, net.graph[0].weight, thaw::Transpose::second), net.alpha));
  }
  if (net.items.count > 0) x = thaw::add(x, thaw::scale(thaw::gather(net.items[0], batch.items), net.alpha));
  if (batch.any_node && net.evidence.count > 0)
    x = thaw::add(x, thaw::matmul(batch.evidence, net.evidence[0].weight, thaw::Transpose::second));
  return x;
}

// (rows, width): the encoder's output.
template <thaw::Value T, class A>
T read_prompts(const ElmRec<T>& net, const ElmRecBatch<A>& batch, const GraphInput<A>& graph,
               const thaw::DropoutRule& dropout = {}) {
  return net.language.encoder(read_rows(net, batch, graph), batch.prompts, net.causal, nullptr, batch.prompts, dropout);
}

// k(item), (items.count, width). Needs a table of items.
template <thaw::Value T, class A>
T item_keys(const ElmRec<T>& net, const thaw::Bags& items, const GraphInput<A>& graph) {
  const T own = thaw::gather(net.items[0], items);
  if (net.graph.count == 0) return own;
  const A given = thaw::gather(graph.items, items);
  return thaw::add(own, thaw::matmul(given, net.graph[0].weight, thaw::Transpose::second));
}

// Mean cross-entropy of the answers' tokens; memory (rows, width) is what the encoder gave.
template <thaw::Value T, class A>
T answer_loss(const ElmRec<T>& net, const ElmRecBatch<A>& batch, const T& memory, const thaw::DropoutRule& dropout) {
  const T h = net.language.decode(net.language.embed(batch.before), batch.answers, memory, batch.prompts, dropout);
  return thaw::token_cross_entropy(net.language.logits(h), batch.next);
}

// Mean cross-entropy of what came next among the batch's negatives, at every place of a history.
template <thaw::Value T, class A, class Negatives, class Context>
T follow_loss(const ElmRec<T>& net, const ElmRecBatch<A>& batch, const T& memory, const GraphInput<A>& graph,
              Negatives& negatives, Context& context) {
  const thaw::Bags targets{batch.follows.data(), nullptr, batch.states.count, false};
  return negatives.loss(context, thaw::gather(memory, batch.states), item_keys(net, targets, graph),
                        item_keys(net, negatives.bags(), graph), batch.follows);
}

}  // namespace elmrec
