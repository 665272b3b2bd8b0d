// Second-order random walks over a graph, as node2vec samples them (Grover and Leskovec, KDD 2016).
//
//   const thaw::IdLists graph = thaw::bipartite_neighbours(interactions);   // users first, then items
//   auto walks = thaw::bipartite_walks(graph, {.length = 40, .per_node = 10, .seed = 7, .threads = 2});
//   if (walks) for (thaw::Index w = 0; w < walks.value().count(); ++w) use(walks.value().walk(w));
//
// From v, reached from t, a neighbour x is chosen in proportion to 1/p if x is t, 1 if x is a neighbour of t, 1/q
// otherwise. `node2vec_walks` does so for any graph, by rejection, with no table. Where no edge joins two neighbours of
// a node, as between users and items, the middle case never arises: `bipartite_walks` uses
//   P(back to t) = rho / (rho + degree(v) - 1),  rho = q / p,   every other neighbour alike,
// with two random words a step. A walk depends on the seed, its round and its start alone, not on threads. Not for
// weighted graphs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/threads.hpp"
#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/interactions.hpp"
#include "thaw/graph/random_words.hpp"

namespace thaw::inline v0 {

// Users and items as nodes of one graph: user u is node u, item i is node users + i. Rows ascend.
inline IdLists bipartite_neighbours(const Interactions& x) {
  IdLists graph;
  const std::int32_t users = x.user_count();
  graph.offsets.reserve(static_cast<std::size_t>(users) + static_cast<std::size_t>(x.item_count()) + 1);
  graph.ids.reserve(2 * x.by_user.ids.size());
  graph.offsets = x.by_user.offsets;
  for (const std::int32_t item : x.by_user.ids) graph.ids.push_back(users + item);
  const auto edges = static_cast<std::int64_t>(graph.ids.size());
  for (std::size_t i = 1; i < x.by_item.offsets.size(); ++i) graph.offsets.push_back(edges + x.by_item.offsets[i]);
  graph.ids.insert(graph.ids.end(), x.by_item.ids.begin(), x.by_item.ids.end());
  return graph;
}

struct WalkOptions {
  std::int32_t length = 40;    // nodes, the start among them
  std::int32_t per_node = 10;  // walks from every node that has a neighbour
  double p = 1, q = 1;         // return and in-out parameters of node2vec, both above 0
  std::uint64_t seed = 1;
  int threads = 1;
};

// Walks one after another, all of one length. Where a directed graph has no way on, the rest of a walk is -1.
struct Walks {
  std::int32_t length = 0;
  std::vector<std::int32_t> nodes;  // (walks, length)

  Index count() const { return length == 0 ? 0 : static_cast<Index>(nodes.size()) / length; }
  std::span<const std::int32_t> walk(Index w) const {
    return {nodes.data() + w * length, static_cast<std::size_t>(length)};
  }
};

namespace detail {

inline Result<Done> check_walks(const IdLists& graph, const WalkOptions& o) {
  const auto usable = [](double x) { return x >= 1e-6 && x <= 1e6; };
  if (o.length < 1 || o.per_node < 1 || o.threads < 1 || !usable(o.p) || !usable(o.q)) {
    return make_fault(FaultKind::out_of_range, "walks: length ", o.length, ", ", o.per_node, " a node, ", o.threads,
                      " threads, p ", o.p, ", q ", o.q, "; the first three are at least 1, p and q 1e-6 to 1e6");
  }
  for (const std::int32_t id : graph.ids)
    if (id < 0 || id >= graph.rows())
      return make_fault(FaultKind::out_of_range, "walks: a neighbour is node ", id, ", the graph has ", graph.rows());
  return Done{};
}

// Starts in the order of the output: every round is a shuffle of the nodes that have neighbours.
inline std::vector<std::int32_t> walk_starts(const IdLists& graph, const WalkOptions& o) {
  std::vector<std::int32_t> nodes, starts;
  for (std::int32_t v = 0; v < graph.rows(); ++v)
    if (!graph.row(v).empty()) nodes.push_back(v);
  starts.reserve(nodes.size() * static_cast<std::size_t>(o.per_node));
  for (std::int32_t round = 0; round < o.per_node; ++round) {
    std::vector<std::int32_t> order = nodes;
    Philox(Key{o.seed}.fold(0x77616c6b).fold(static_cast<std::uint64_t>(round))).shuffle(order);
    starts.insert(starts.end(), order.begin(), order.end());
  }
  return starts;
}

// A group of walks that take each step together, so that the processor waits for many nodes at once.
class WalkGroup {
 public:
  static constexpr Index kLanes = 32;

  WalkGroup(const IdLists& graph, const WalkOptions& options)
      : graph_(graph), o_(options), isa_(detect_isa()), rho_(options.q / options.p) {}

  // Walks first .. first + n - 1 of the output; `round_size` starts make a round. No dead ends.
  void run(std::span<const std::int32_t> starts, Index first, Index n, Index round_size, std::int32_t* out) {
    for (Index i = 0; i < n; ++i) {
      const std::int32_t start = starts[static_cast<std::size_t>(first + i)];
      low_[i] = static_cast<std::uint32_t>(start);
      high_[i] = static_cast<std::uint32_t>((first + i) / round_size);
      now_[i] = start;
      before_[i] = -1;
      out[i * o_.length] = start;
    }
    const bool simple = rho_ == 1;
    const Index steps_of_block = simple ? 4 : 2;
    for (Index step = 1; step < o_.length; ++step) {
      const Index part = (step - 1) % steps_of_block;
      if (part == 0) draw_words(n, (step - 1) / steps_of_block);
      if (simple)
        take_simple(n, words_ + part * n);
      else
        take(n, words_ + 2 * part * n, words_ + (2 * part + 1) * n);
      for (Index i = 0; i < n; ++i) out[i * o_.length + step] = now_[i];
    }
  }

 private:
  void draw_words(Index n, Index block) {
    for (Index i = 0; i < n; ++i) block_[i] = static_cast<std::uint32_t>(block);
    random_words(isa_, n, o_.seed, block_, low_, high_, words_);
  }
  const std::int64_t* offsets_of(std::int32_t node) const { return graph_.offsets.data() + node; }

  void take_simple(Index n, const std::uint32_t* words) {
    for (Index i = 0; i < n; ++i) {
      const std::int64_t* at = offsets_of(now_[i]);
      from_[i] = graph_.ids.data() + at[0] + word_below(words[i], static_cast<std::uint32_t>(at[1] - at[0]));
      __builtin_prefetch(from_[i]);
    }
    arrive(n);
  }
  void take(Index n, const std::uint32_t* coins, const std::uint32_t* words) {
    for (Index i = 0; i < n; ++i) {
      const std::int64_t* at = offsets_of(now_[i]);
      const auto degree = static_cast<std::uint32_t>(at[1] - at[0]);
      const std::int32_t* row = graph_.ids.data() + at[0];
      const bool first = before_[i] < 0;
      const double back = rho_ / (rho_ + static_cast<double>(degree) - 1);
      going_back_[i] = !first && (degree == 1 || static_cast<double>(coins[i]) < back * 4294967296.0);
      // One of the first degree - 1; the node before, if it is met there, stands for the last one.
      from_[i] = row + word_below(words[i], first || degree == 1 ? degree : degree - 1);
      last_[i] = row + degree - 1;
      __builtin_prefetch(from_[i]);
      __builtin_prefetch(last_[i]);
    }
    for (Index i = 0; i < n; ++i) {
      const std::int32_t picked = *from_[i] == before_[i] ? *last_[i] : *from_[i];
      const std::int32_t next = going_back_[i] ? before_[i] : picked;
      before_[i] = now_[i];
      now_[i] = next;
      __builtin_prefetch(offsets_of(next));
    }
  }
  void arrive(Index n) {
    for (Index i = 0; i < n; ++i) {
      now_[i] = *from_[i];
      __builtin_prefetch(offsets_of(now_[i]));
    }
  }

  const IdLists& graph_;
  const WalkOptions& o_;
  Isa isa_;
  double rho_;
  std::uint32_t block_[kLanes], low_[kLanes], high_[kLanes], words_[4 * kLanes];
  std::int32_t now_[kLanes], before_[kLanes];
  const std::int32_t *from_[kLanes], *last_[kLanes];
  bool going_back_[kLanes];
};

inline bool has_neighbour(const IdLists& graph, std::int32_t node, std::int32_t other) {
  const auto row = graph.row(node);
  return std::binary_search(row.begin(), row.end(), other);
}

// One walk by rejection: a neighbour at random is taken with its weight over the largest weight.
inline void general_walk(const IdLists& graph, const WalkOptions& o, std::int32_t start, std::uint64_t stream,
                         std::int32_t* out) {
  Philox rng(o.seed, stream);
  const double back = 1 / o.p, away = 1 / o.q;
  const double most = (std::max)(1.0, (std::max)(back, away));
  out[0] = start;
  std::int32_t step = 1;
  for (; step < o.length; ++step) {
    const auto row = graph.row(out[step - 1]);
    if (row.empty()) break;
    const auto degree = static_cast<std::uint32_t>(row.size());
    for (;;) {
      const std::int32_t x = row[word_below(rng.next(), degree)];
      if (step > 1) {
        const std::int32_t t = out[step - 2];
        const double weight = x == t ? back : has_neighbour(graph, t, x) ? 1.0 : away;
        if (static_cast<double>(rng.next()) >= weight / most * 4294967296.0) continue;
      }
      out[step] = x;
      break;
    }
  }
  for (; step < o.length; ++step) out[step] = -1;
}

}  // namespace detail

// Walks over any graph, directed ones too: rows of `graph` list the nodes that can be reached, ascending. In order:
// per_node rounds, each with one walk from every node that has a neighbour, shuffled. Errors: a setting out of range, a
// neighbour that is no node.
inline Result<Walks> node2vec_walks(const IdLists& graph, const WalkOptions& options) {
  const auto checked = detail::check_walks(graph, options);
  if (!checked) return checked.fault();
  const std::vector<std::int32_t> starts = detail::walk_starts(graph, options);
  const auto round_size = static_cast<Index>(starts.size()) / options.per_node;
  Walks walks{options.length, std::vector<std::int32_t>(starts.size() * static_cast<std::size_t>(options.length))};
  in_parallel(options.threads, [&](int part) {
    const auto n = static_cast<Index>(starts.size());
    for (Index w = n * part / options.threads; w < n * (part + 1) / options.threads; ++w) {
      const std::int32_t start = starts[static_cast<std::size_t>(w)];
      const std::uint64_t stream =
          (static_cast<std::uint64_t>(w / round_size) << 32) | static_cast<std::uint32_t>(start);
      detail::general_walk(graph, options, start, stream, walks.nodes.data() + w * options.length);
    }
  });
  return walks;
}

// Walks over a graph in which no two neighbours of a node are neighbours, and every edge is listed from both ends, as
// bipartite_neighbours() gives: that is not checked. Otherwise as node2vec_walks.
inline Result<Walks> bipartite_walks(const IdLists& graph, const WalkOptions& options) {
  const auto checked = detail::check_walks(graph, options);
  if (!checked) return checked.fault();
  const std::vector<std::int32_t> starts = detail::walk_starts(graph, options);
  const auto round_size = static_cast<Index>(starts.size()) / options.per_node;
  Walks walks{options.length, std::vector<std::int32_t>(starts.size() * static_cast<std::size_t>(options.length))};
  in_parallel(options.threads, [&](int part) {
    detail::WalkGroup group(graph, options);
    const auto n = static_cast<Index>(starts.size());
    const Index end = n * (part + 1) / options.threads;
    for (Index w = n * part / options.threads; w < end; w += detail::WalkGroup::kLanes) {
      const Index count = (std::min)(detail::WalkGroup::kLanes, end - w);
      group.run(starts, w, count, round_size, walks.nodes.data() + w * options.length);
    }
  });
  return walks;
}

}  // namespace thaw::inline v0
