// Rivals that need no network: popularity, the largest number plus one, exact walks of three steps, vectors.
//
//   elmrec::WalkScorer walks(graph);
//   elmrec::Quality q = elmrec::rank_sampled(test, walks);
//
// All have score(question, items, out), see evaluation.hpp. LargestPlusOne is no recommender: it shows how much the
// numbering of items tells about the answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "elmrec/evaluation.hpp"
#include "elmrec/graph_features.hpp"
#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/graph/propagation_graph.hpp"

namespace elmrec {

// How many of the graph's users have the item.
class PopularityScorer {
 public:
  explicit PopularityScorer(const thaw::Interactions& seen) : seen_(&seen) {}
  void score(const Question&, std::span<const std::int32_t> items, std::span<float> out) const {
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = static_cast<float>(seen_->by_item.row(items[i]).size());
  }

 private:
  const thaw::Interactions* seen_;
};

// First the item numbered right behind the largest number of the history, then the one behind that, and so on; all
// items with smaller numbers last, alike. Reads no graph and learns nothing.
class LargestPlusOne {
 public:
  explicit LargestPlusOne(std::span<const std::int32_t> number) : number_(number) {}
  void score(const Question& q, std::span<const std::int32_t> items, std::span<float> out) const {
    std::int32_t largest = -1;
    for (const std::int32_t item : q.history) largest = (std::max)(largest, number_[static_cast<std::size_t>(item)]);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::int32_t ahead = number_[static_cast<std::size_t>(items[i])] - largest;
      out[i] = ahead > 0 ? -static_cast<float>(ahead) : -1e9f;
    }
  }

 private:
  std::span<const std::int32_t> number_;
};

// The exact weight of all walks of three steps from the user to the item over D^-1/2 A D^-1/2. Her edges are those of
// the graph, or her history when `from_history` is set: then she needs no node.
class WalkScorer {
 public:
  explicit WalkScorer(const thaw::PropagationGraph& graph, bool from_history = false)
      : graph_(&graph),
        from_history_(from_history),
        by_user_(static_cast<std::size_t>(graph.users()), 0.0f),
        by_item_(static_cast<std::size_t>(graph.items()), 0.0f) {}

  void score(const Question& q, std::span<const std::int32_t> items, std::span<float> out) {
    walk(q);
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = by_item_[static_cast<std::size_t>(items[i])];
  }
  // Weights of the user's walks to every item; until the next call.
  std::span<const float> walk(const Question& q) {
    const std::int32_t users = static_cast<std::int32_t>(graph_->users());
    const float* const scale = graph_->scale<float>();
    std::fill(by_item_.begin(), by_item_.end(), 0.0f);
    touched_.clear();
    const auto from = [&](std::int32_t node, float own) {
      const float weight = own * scale[node] * scale[node];
      if (weight == 0) return;
      for (const std::int32_t v : graph_->row(node)) {
        float& sum = by_user_[static_cast<std::size_t>(v)];
        if (sum == 0) touched_.push_back(v);
        sum += weight * scale[v];
      }
    };
    if (from_history_) {
      const float own = 1.0f / std::sqrt(static_cast<float>(q.history.empty() ? 1 : q.history.size()));
      for (const std::int32_t item : q.history) from(users + item, own);
    } else {
      for (const std::int32_t node : graph_->row(q.user)) from(node, scale[q.user]);
    }
    for (const std::int32_t v : touched_) {
      const float weight = by_user_[static_cast<std::size_t>(v)] * scale[v];
      by_user_[static_cast<std::size_t>(v)] = 0;
      for (const std::int32_t node : graph_->row(v))
        by_item_[static_cast<std::size_t>(node - users)] += weight * scale[node];
    }
    return by_item_;
  }

 private:
  const thaw::PropagationGraph* graph_;
  bool from_history_;
  std::vector<float> by_user_, by_item_;
  std::vector<std::int32_t> touched_;
};

// Dot products of one vector a question with one vector an item; cosines when both are of length 1.
class VectorScorer {
 public:
  // vectors_of_items (items, width); user(question) gives `width` numbers.
  VectorScorer(std::span<const float> items, Index width) : items_(items), width_(width), isa_(thaw::detect_isa()) {}
  virtual ~VectorScorer() = default;

  virtual std::span<const float> user(const Question& q) = 0;

  void score(const Question& q, std::span<const std::int32_t> items, std::span<float> out) {
    const float* const left = user(q).data();
    for (std::size_t i = 0; i < items.size(); ++i)
      out[i] = thaw::dot(isa_, width_, left, items_.data() + items[i] * width_);
  }

 private:
  std::span<const float> items_;
  Index width_;
  thaw::Isa isa_;
};

// Rows of a table (users + items, width), users first: LightGCN's final vectors, graph features.
class NodeScorer : public VectorScorer {
 public:
  NodeScorer(std::span<const float> table, Index users, Index width)
      : VectorScorer(table.subspan(static_cast<std::size_t>(users * width)), width), table_(table), width_(width) {}
  std::span<const float> user(const Question& q) override {
    return table_.subspan(static_cast<std::size_t>(q.user * width_), static_cast<std::size_t>(width_));
  }

 private:
  std::span<const float> table_;
  Index width_;
};

// One vector a question, in the order of the questions.
class QuestionScorer : public VectorScorer {
 public:
  QuestionScorer(std::span<const float> items, std::span<const float> questions, Index width)
      : VectorScorer(items, width), questions_(questions), width_(width) {}
  std::span<const float> user(const Question& q) override {
    return questions_.subspan(q.index * static_cast<std::size_t>(width_), static_cast<std::size_t>(width_));
  }

 private:
  std::span<const float> questions_;
  Index width_;
};

// Rows of length 1 (zeros stay).
inline std::vector<float> unit_rows(std::span<const float> table, Index width) {
  std::vector<float> out(table.begin(), table.end());
  for (std::size_t at = 0; at < out.size(); at += static_cast<std::size_t>(width)) {
    double square = 0;
    for (Index j = 0; j < width; ++j)
      square += static_cast<double>(out[at + static_cast<std::size_t>(j)]) *
                static_cast<double>(out[at + static_cast<std::size_t>(j)]);
    const auto by = static_cast<float>(square > 0 ? 1 / std::sqrt(square) : 0);
    for (Index j = 0; j < width; ++j) out[at + static_cast<std::size_t>(j)] *= by;
  }
  return out;
}

}  // namespace elmrec
