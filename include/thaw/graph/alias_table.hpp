// AliasTable: draws from any discrete distribution with two random words, however many outcomes there are.
//
//   thaw::Result<thaw::AliasTable> table = thaw::AliasTable::from_weights(weights);   // weights >= 0, some above 0
//   std::int32_t drawn = table.value().draw(rng);                                     // P(i) = weights[i] / sum
//
// Walker's alias method with Vose's set-up in double (Vose, IEEE TSE 1991): slot i keeps i with probability keep[i] and
// gives alias[i] otherwise. An outcome of weight 0 is never drawn. Not for weights that change: it is built anew.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/random_words.hpp"

namespace thaw::inline v0 {

class AliasTable {
 public:
  // Fails for no outcome, for a weight that is negative or not finite, and when all are zero.
  static Result<AliasTable> from_weights(std::span<const double> weights) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!(weights[i] >= 0) || !(weights[i] < 1e300)) {
        return make_fault(FaultKind::out_of_range, "AliasTable: weight ", i, " is ", weights[i],
                          "; weights are numbers from 0 on");
      }
      sum += weights[i];
    }
    if (!(sum > 0) || !(sum < 1e300) || weights.size() > 0x7fffffffu) {
      return make_fault(FaultKind::out_of_range, "AliasTable: ", weights.size(), " weights with sum ", sum,
                        "; at least one must be above 0 and their sum finite");
    }
    AliasTable table;
    table.set_up(weights, sum);
    return table;
  }

  std::int32_t size() const { return static_cast<std::int32_t>(keep_.size()); }
  // From two uniform words: one picks the slot, the other decides between it and its alias.
  std::int32_t draw(std::uint32_t slot_word, std::uint32_t coin) const {
    const std::uint32_t slot = word_below(slot_word, static_cast<std::uint32_t>(keep_.size()));
    const Slot& s = keep_[slot];
    return coin < s.threshold ? static_cast<std::int32_t>(slot) : s.alias;
  }
  std::int32_t draw(Philox& rng) const {
    const std::uint32_t slot = rng.next();
    return draw(slot, rng.next());
  }
  // The probability that this table gives to an outcome; for checks, O(size).
  double probability(std::int32_t outcome) const {
    double share = 0;
    for (std::size_t i = 0; i < keep_.size(); ++i) {
      const double kept = static_cast<double>(keep_[i].threshold) / 4294967296.0;
      if (keep_[i].alias == outcome) share += 1 - kept;
      if (static_cast<std::int32_t>(i) == outcome) share += kept;
    }
    return share / static_cast<double>(keep_.size());
  }

 private:
  // A slot that is always kept is its own alias, so that no threshold has to mean 1.
  struct Slot {
    std::uint32_t threshold = 0;  // kept when a word is below
    std::int32_t alias = 0;
  };

  void set_up(std::span<const double> weights, double sum) {
    const std::size_t n = weights.size();
    keep_.resize(n);
    std::vector<double> share(n);
    std::vector<std::int32_t> small, large;
    for (std::size_t i = 0; i < n; ++i) {
      share[i] = weights[i] / sum * static_cast<double>(n);
      keep_[i].alias = static_cast<std::int32_t>(i);  // leftovers keep themselves
      (share[i] < 1 ? small : large).push_back(static_cast<std::int32_t>(i));
    }
    while (!small.empty() && !large.empty()) {
      const auto less = static_cast<std::size_t>(small.back());
      const auto more = static_cast<std::size_t>(large.back());
      small.pop_back();
      keep_[less].threshold = to_word(share[less]);
      keep_[less].alias = static_cast<std::int32_t>(more);
      share[more] -= 1 - share[less];
      if (share[more] < 1) {
        large.pop_back();
        small.push_back(static_cast<std::int32_t>(more));
      }
    }
    // What is left has a share of 1 up to rounding; an outcome of weight 0 must not be among it.
    for (const std::int32_t left : small)
      if (!(weights[static_cast<std::size_t>(left)] > 0))
        keep_[static_cast<std::size_t>(left)].alias = heaviest(weights);
  }
  static std::int32_t heaviest(std::span<const double> weights) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < weights.size(); ++i)
      if (weights[i] > weights[best]) best = i;
    return static_cast<std::int32_t>(best);
  }
  static std::uint32_t to_word(double share) {
    const double word = std::floor(share * 4294967296.0 + 0.5);
    return word >= 4294967295.0 ? 0xffffffffu : static_cast<std::uint32_t>(word);
  }

  std::vector<Slot> keep_;
};

}  // namespace thaw::inline v0
