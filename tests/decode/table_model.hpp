// A toy language model for tests of searches: the logits of a row are a hash of its prompt and its tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thaw/decode/step_model.hpp"

namespace thaw_test {

class TableModel {
 public:
  int steps = 0;
  std::int64_t logits_asked = 0;

  // Forgets all tokens; prompt p of the next first step is p + first.
  void start(int first = 0) { first_ = first, rows_.clear(), began_ = false; }

  void step(std::span<const std::int32_t> tokens, std::span<const std::int32_t> parents) {
    ++steps;
    before_.swap(rows_);
    rows_.clear();
    for (std::size_t r = 0; r < tokens.size(); ++r) {
      const std::uint64_t past = began_ ? before_[static_cast<std::size_t>(parents[r])]
                                        : 17 + 101 * static_cast<std::uint64_t>(parents[r] + first_);
      rows_.push_back(next(past, tokens[r]));
    }
    began_ = true;
  }
  void logits(thaw::Index row, std::span<const std::int32_t> ids, float* out) {
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = logit(rows_[static_cast<std::size_t>(row)], ids[i]);
    logits_asked += static_cast<std::int64_t>(ids.size());
  }

  static std::uint64_t begin(int prompt) { return next(17 + 101 * static_cast<std::uint64_t>(prompt), 0); }
  static std::uint64_t next(std::uint64_t past, std::int32_t token) {
    return (past * 31 + static_cast<std::uint64_t>(token) + 7) % 100003;
  }
  static float logit(std::uint64_t state, std::int32_t token) {
    const auto t = static_cast<std::uint64_t>(token);
    return static_cast<float>((state * (t + 3) * 37 + t * t * 11) % 10007) / 2000.0f;
  }

 private:
  std::vector<std::uint64_t> rows_, before_;
  int first_ = 0;
  bool began_ = false;
};
static_assert(thaw::StepModel<TableModel>);

}  // namespace thaw_test
