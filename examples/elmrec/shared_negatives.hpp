// SharedNegatives: softmax over a right answer and many wrong ones that all rows of a batch share.
//
//   elmrec::SharedNegatives negatives;
//   negatives.draw(items, 2048, rng);
//   auto loss = negatives.loss(context, hidden, own, others, targets);   // own, others: vectors of targets, negatives
//
// A row's own answer among the negatives is masked. A matrix of (rows, negatives) takes the place of (rows, items).
// Negatives are drawn evenly: not by popularity.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/nn/attention.hpp"
#include "thaw/nn/losses.hpp"

namespace elmrec {

class SharedNegatives {
 public:
  // With repetition; in order.
  void draw(std::int32_t items, thaw::Index count, thaw::Philox& rng) {
    ids_.resize(static_cast<std::size_t>(count));
    for (std::int32_t& item : ids_) item = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(items)));
    std::sort(ids_.begin(), ids_.end());
  }
  // The negatives, to look their vectors up. Valid until the next draw.
  thaw::Bags bags() const { return {ids_.data(), nullptr, static_cast<thaw::Index>(ids_.size()), false}; }

  // hidden and own (rows, width), others (negatives, width), targets (rows) -> mean cross-entropy.
  template <class V, class Context>
  V loss(Context& context, const V& hidden, const V& own, const V& others, std::span<const std::int32_t> targets) {
    using A = typename V::Plain;
    const auto rows = static_cast<thaw::Index>(targets.size()), count = static_cast<thaw::Index>(ids_.size());
    const A mask = A::make(context, {rows, count});
    A::Backend::fill(context, mask.size(), typename A::Real(0), mask.data);
    for (thaw::Index r = 0; r < rows; ++r) {
      const auto [first, last] = std::equal_range(ids_.begin(), ids_.end(), targets[static_cast<std::size_t>(r)]);
      for (auto i = first; i != last; ++i)
        mask[r * count + (i - ids_.begin())] = static_cast<typename A::Real>(thaw::kMasked);
    }
    const V right = thaw::sum_to(thaw::mul(hidden, own), {rows, 1});
    const V wrong = thaw::add(thaw::matmul(hidden, others, thaw::Transpose::second), mask);
    classes_.assign(targets.size(), 0);
    return thaw::cross_entropy(thaw::concat({right, wrong}, 1), classes_.data());
  }

 private:
  std::vector<std::int32_t> ids_, classes_;
};

}  // namespace elmrec
