// What the graph says about a user and a candidate, with the pair in question taken out: three numbers a candidate.
//
//   elmrec::Evidence evidence(graph);
//   evidence.about(user, history, candidates, positive, out);       // out (candidates, kEvidence)
//
//   0  log(1 + 1000 w), w the weight of all walks of three steps from the history to the candidate
//   1  the same from the last item of the history alone
//   2  log(1 + degree of the candidate) / 2
//
// In training the positive is one of the user's edges, in the test it is not. So that both look alike, the history
// given leaves the positive out, no walk passes through the user herself, and the degree of the positive counts one
// less. Nothing is learnt here: these are numbers that a model may read.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/graph/propagation_graph.hpp"

namespace elmrec {

inline constexpr std::int64_t kEvidence = 3;

class Evidence {
 public:
  explicit Evidence(const thaw::PropagationGraph& graph)
      : graph_(&graph),
        from_all_(static_cast<std::size_t>(graph.users()), 0.0f),
        from_last_(static_cast<std::size_t>(graph.users()), 0.0f) {}

  // `user`: -1 for one whom the graph does not know. `positive`: a candidate that is an edge of hers, or -1.
  void about(std::int32_t user, std::span<const std::int32_t> history, std::span<const std::int32_t> candidates,
             std::int32_t positive, float* out) {
    const auto users = static_cast<std::int32_t>(graph_->users());
    const float* const scale = graph_->scale<float>();
    touched_.clear();
    const float own = 1.0f / std::sqrt(static_cast<float>(history.empty() ? 1 : history.size()));
    for (std::size_t h = 0; h < history.size(); ++h) {
      const float s = scale[users + history[h]];
      for (const std::int32_t v : graph_->row(users + history[h])) {
        if (v == user) continue;
        if (from_all_[at(v)] == 0) touched_.push_back(v);
        from_all_[at(v)] += own * s * s * scale[v] * scale[v];
        if (h + 1 == history.size()) from_last_[at(v)] += s * s * scale[v] * scale[v];
      }
    }
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      const thaw::Index node = users + candidates[c];
      const bool less = candidates[c] == positive;
      const auto degree = static_cast<double>(graph_->degree(node) - (less ? 1 : 0));
      double all = 0, last = 0;
      for (const std::int32_t v : graph_->row(node)) {
        all += static_cast<double>(from_all_[at(v)]);
        last += static_cast<double>(from_last_[at(v)]);
      }
      const double root = degree > 0 ? 1 / std::sqrt(degree) : 0;
      float* const row = out + static_cast<std::int64_t>(c) * kEvidence;
      row[0] = static_cast<float>(std::log1p(1000 * all * root));
      row[1] = static_cast<float>(std::log1p(1000 * last * root));
      row[2] = static_cast<float>(std::log1p(degree) / 2);
    }
    for (const std::int32_t v : touched_) from_all_[at(v)] = from_last_[at(v)] = 0;
  }

 private:
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  const thaw::PropagationGraph* graph_;
  std::vector<float> from_all_, from_last_;  // (users)
  std::vector<std::int32_t> touched_;
};

}  // namespace elmrec
