// TokenTrie: the token sequences of all valid ids as a tree, so that a search can only ever spell a valid id.
//
//   thaw::TokenSequences spelled;                        // spelled.add(tokens) for id 0, 1, ...
//   thaw::Result<thaw::TokenTrie> trie = thaw::TokenTrie::build(spelled, /*end token*/ 1);
//   thaw::LeafMask seen(trie.value());
//   for (std::int32_t item : history) seen.hide(trie.value(), item);     // never answered, nor any dead end
//
// Every sequence is followed by the end token; the edge with it leads to the leaf that holds the id. Children are in
// ascending order of their tokens. A trie of some ids only (a prompt's candidates) is made with assign(), which
// allocates nothing once it has seen its largest size. Not a vocabulary: it does not know what tokens look like.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"

namespace thaw::inline v0 {

// Token lists, one an id, one after another.
struct TokenSequences {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> tokens;

  std::int32_t size() const { return static_cast<std::int32_t>(offsets.size()) - 1; }
  std::span<const std::int32_t> operator[](std::int32_t id) const {
    const auto at = static_cast<std::size_t>(id);
    const auto begin = static_cast<std::size_t>(offsets[at]), end = static_cast<std::size_t>(offsets[at + 1]);
    return {tokens.data() + begin, end - begin};
  }
  void add(std::span<const std::int32_t> list) {
    tokens.insert(tokens.end(), list.begin(), list.end());
    offsets.push_back(static_cast<std::int64_t>(tokens.size()));
  }
};

class TokenTrie {
 public:
  static constexpr std::int32_t kRoot = 0;

  // The children of a node: tokens ascending, and where each leads, a node >= 0 or a leaf: ~id < 0.
  struct Children {
    std::span<const std::int32_t> tokens, targets;
  };

  // All ids of `spelled`. Errors: no id, an id without tokens or with the end token inside, two ids spelled alike.
  static Result<TokenTrie> build(const TokenSequences& spelled, std::int32_t end) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(spelled.size()));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
    TokenTrie trie;
    const auto done = trie.assign(spelled, ids, end);
    if (!done) return done.fault();
    return trie;
  }

  // Some ids, each at most once, in any order. Errors: as of build, and an id that is not in `spelled`.
  Result<Done> assign(const TokenSequences& spelled, std::span<const std::int32_t> ids, std::int32_t end) {
    clear();
    if (ids.empty()) return make_fault(FaultKind::out_of_range, "TokenTrie: there is no id to spell");
    for (const std::int32_t id : ids)
      if (const auto good = check(spelled, id, end); !good) return good.fault();
    order_.assign(ids.begin(), ids.end());
    std::sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
      const auto x = spelled[a], y = spelled[b];
      const bool less = std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
      const bool more = std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end());
      return less || (!more && a < b);
    });
    for (std::size_t i = 1; i < order_.size(); ++i) {
      const auto x = spelled[order_[i - 1]], y = spelled[order_[i]];
      if (std::equal(x.begin(), x.end(), y.begin(), y.end())) {
        const std::int32_t first = order_[i - 1], second = order_[i];
        clear();
        return make_fault(FaultKind::malformed, "TokenTrie: ids ", first, " and ", second,
                          " have the same tokens; an answer could not be told apart");
      }
    }
    grow(spelled, end);
    return Done{};
  }

  // Nodes that have children: the root, every proper prefix, every whole sequence (its child is the leaf).
  std::int32_t nodes() const { return static_cast<std::int32_t>(first_.size()) - 1; }
  std::int32_t leaves() const { return static_cast<std::int32_t>(order_.size()); }
  // The longest sequence, without the end token.
  std::int32_t depth() const { return depth_; }
  // The most children of any node.
  std::int32_t widest() const { return widest_; }
  // Ids are below this.
  std::int32_t id_limit() const { return static_cast<std::int32_t>(node_of_.size()); }
  bool has(std::int32_t id) const { return id >= 0 && id < id_limit() && node_of_[at(id)] >= 0; }
  // Ids in the order of their tokens.
  std::span<const std::int32_t> ids() const { return order_; }

  Children children(std::int32_t node) const {
    const auto begin = at(first_[at(node)]), count = at(first_[at(node) + 1]) - begin;
    return {{tokens_.data() + begin, count}, {targets_.data() + begin, count}};
  }
  // -1 for the root.
  std::int32_t parent(std::int32_t node) const { return parent_[at(node)]; }
  // The node from which the end token leads to the id.
  std::int32_t node_of(std::int32_t id) const { return node_of_[at(id)]; }
  // Leaves below a node.
  std::int32_t leaves_below(std::int32_t node) const { return below_[at(node)]; }

 private:
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  void clear() {
    order_.clear(), first_.clear(), tokens_.clear(), targets_.clear(), parent_.clear(), below_.clear();
    node_of_.clear();
    depth_ = widest_ = 0;
  }
  static Result<Done> check(const TokenSequences& spelled, std::int32_t id, std::int32_t end) {
    if (id < 0 || id >= spelled.size())
      return make_fault(FaultKind::out_of_range, "TokenTrie: id ", id, ", there are tokens for ", spelled.size());
    const auto list = spelled[id];
    if (list.empty() || std::find(list.begin(), list.end(), end) != list.end())
      return make_fault(FaultKind::malformed, "TokenTrie: id ", id,
                        list.empty() ? " has no tokens" : " has the end token inside its tokens");
    return Done{};
  }
  // Level by level: the nodes of one level in the order of their tokens, each a range of the sorted ids.
  void grow(const TokenSequences& spelled, std::int32_t end) {
    node_of_.assign(at(*std::max_element(order_.begin(), order_.end())) + 1, -1);
    ranges_.clear();
    ranges_.push_back({0, leaves(), 0});
    parent_.push_back(-1);
    for (std::size_t n = 0; n < ranges_.size(); ++n) {
      const Range range = ranges_[n];
      const auto node = static_cast<std::int32_t>(n);
      first_.push_back(static_cast<std::int32_t>(tokens_.size()));
      below_.push_back(range.end - range.begin);
      depth_ = (std::max)(depth_, range.depth);
      std::int32_t i = range.begin;
      std::int32_t leaf = -1;
      // Of equal beginnings the shortest sequence is the first.
      if (static_cast<std::int32_t>(spelled[order_[at(i)]].size()) == range.depth) leaf = order_[at(i++)];
      const auto put_leaf = [&] {
        tokens_.push_back(end), targets_.push_back(~leaf);
        node_of_[at(leaf)] = node;
        leaf = -1;
      };
      while (i < range.end) {
        const std::int32_t token = spelled[order_[at(i)]][at(range.depth)];
        std::int32_t stop = i + 1;
        while (stop < range.end && spelled[order_[at(stop)]][at(range.depth)] == token) ++stop;
        if (leaf >= 0 && end < token) put_leaf();
        tokens_.push_back(token), targets_.push_back(static_cast<std::int32_t>(ranges_.size()));
        ranges_.push_back({i, stop, range.depth + 1});
        parent_.push_back(node);
        i = stop;
      }
      if (leaf >= 0) put_leaf();
      widest_ = (std::max)(widest_, static_cast<std::int32_t>(tokens_.size()) - first_.back());
    }
    first_.push_back(static_cast<std::int32_t>(tokens_.size()));
  }

  struct Range {
    std::int32_t begin, end, depth;  // of order_
  };
  std::vector<std::int32_t> order_;             // (leaves) ids, sorted by their tokens
  std::vector<std::int32_t> first_;             // (nodes + 1) into tokens_ and targets_
  std::vector<std::int32_t> tokens_, targets_;  // (edges)
  std::vector<std::int32_t> parent_, below_;    // (nodes)
  std::vector<std::int32_t> node_of_;           // (id limit), -1 for ids that are not here
  std::vector<Range> ranges_;                   // scratch of grow()
  std::int32_t depth_ = 0, widest_ = 0;
};

// Which leaves of a trie are hidden, and with them every node that has no other leaf. One mask a prompt.
class LeafMask {
 public:
  LeafMask() = default;
  explicit LeafMask(const TokenTrie& trie) { reset(trie); }

  // Nothing is hidden, for this trie.
  void reset(const TokenTrie& trie) {
    hidden_below_.assign(static_cast<std::size_t>(trie.nodes()), 0);
    hidden_id_.assign(static_cast<std::size_t>(trie.id_limit()), 0);
    hidden_ = 0;
  }
  // Hides an id; one that the trie does not have, or that is hidden already, changes nothing.
  void hide(const TokenTrie& trie, std::int32_t id) { change(trie, id, 1); }
  // The other way round: costs the length of the sequence, much less than reset().
  void show(const TokenTrie& trie, std::int32_t id) { change(trie, id, -1); }

  std::int32_t hidden() const { return hidden_; }
  bool is_hidden(std::int32_t id) const { return hidden_id_[static_cast<std::size_t>(id)] != 0; }
  bool is_live(const TokenTrie& trie, std::int32_t node) const {
    return hidden_below_[static_cast<std::size_t>(node)] < trie.leaves_below(node);
  }

 private:
  void change(const TokenTrie& trie, std::int32_t id, std::int32_t by) {
    require(hidden_below_.size() == static_cast<std::size_t>(trie.nodes()), "LeafMask: made for a trie of ",
            hidden_below_.size(), " nodes, used with one of ", trie.nodes());
    if (!trie.has(id)) return;
    std::uint8_t& state = hidden_id_[static_cast<std::size_t>(id)];
    if ((state != 0) == (by > 0)) return;
    state = by > 0 ? 1 : 0;
    hidden_ += by;
    for (std::int32_t node = trie.node_of(id); node >= 0; node = trie.parent(node))
      hidden_below_[static_cast<std::size_t>(node)] += by;
  }

  std::vector<std::int32_t> hidden_below_;  // (nodes)
  std::vector<std::uint8_t> hidden_id_;     // (id limit)
  std::int32_t hidden_ = 0;
};

}  // namespace thaw::inline v0
