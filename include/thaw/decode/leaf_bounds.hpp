// LeafBounds: for every node of a trie, how many allowed ids lie below it and the best score that one of them brings
// along.
//
//   thaw::LeafBounds bounds;
//   bounds.reset(trie, &mask, prior);            // prior: a score for each id, or null
//   if (bounds.live(node) == 1) ...              // only one id can still be spelled
//   double most = bounds.best(node);             // no id below brings more
//
// An id whose prior is minus infinity is not allowed, as if the mask hid it. One pass over the ids and one over the
// nodes, from the last to the first: children stand behind their parents. No allocation once the largest trie has been
// seen. Not a mask that is changed id by id: LeafMask.
#pragma once

#include <limits>

#include "thaw/decode/token_trie.hpp"

namespace thaw::inline v0 {

class LeafBounds {
 public:
  static constexpr float kNone = -std::numeric_limits<float>::infinity();

  // `mask` and `prior` (ids below trie.id_limit()) may be null, and are not kept. A prior is finite or minus infinity.
  void reset(const TokenTrie& trie, const LeafMask* mask, const float* prior) {
    nodes_.assign(static_cast<std::size_t>(trie.nodes()), {kNone, 0});
    for (const std::int32_t id : trie.ids()) {
      if (mask != nullptr && mask->is_hidden(id)) continue;
      const float score = prior == nullptr ? 0.0F : prior[id];
      require(score < -kNone, "LeafBounds: the prior of id ", id, " is ", score,
              "; expected a number, or minus infinity for an id that must not come back");
      if (score > kNone) at(trie.node_of(id)).take({score, 1});
    }
    for (std::int32_t node = trie.nodes() - 1; node > TokenTrie::kRoot; --node)
      at(trie.parent(node)).take(nodes_[static_cast<std::size_t>(node)]);
  }

  // Allowed ids below a node.
  std::int32_t live(std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)].live; }
  // The highest prior of them; kNone where there are none.
  float best(std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)].best; }

 private:
  struct Node {
    float best;
    std::int32_t live;
    void take(const Node& child) {
      best = (std::max)(best, child.best);
      live += child.live;
    }
  };
  Node& at(std::int32_t node) { return nodes_[static_cast<std::size_t>(node)]; }

  std::vector<Node> nodes_;
};

}  // namespace thaw::inline v0
