// BPR triples: a user, an item she touched and one she did not, drawn for pairwise ranking losses.
//
//   thaw::BprTriples draw(interactions, {.seed = 7});
//   draw.batch(step, triples);                       // the same for the same step, on any number of threads
//
// Bayesian personalized ranking (Rendle et al., UAI 2009) wants s(user, liked) above s(user, other). As the published
// LightGCN program: a user uniformly among those who touched something, one of her items uniformly, another item
// uniformly among all that she did not touch. Or every interaction alike, as the original BPR. Of several such others
// the hardest may be taken, by scores of the caller (dynamic negative sampling, Zhang et al., SIGIR 2013): most others
// are ranked right already and teach nothing. shared() draws for a whole batch, for losses that tell each liked item
// from the same others. Keeps a reference.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/core/random.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

struct BprTriple {
  std::int32_t user, liked, other;
};

enum class BprDraw : std::uint8_t { users, interactions };  // what is drawn uniformly

class BprTriples {
 public:
  struct Options {
    BprDraw draw = BprDraw::users;
    std::uint64_t seed = 1;
  };
  BprTriples(const Interactions& x, const Options& options)
      : x_(&x), draw_(options.draw), key_(Key{options.seed}.fold(0x627072)) {
    for (std::int32_t user = 0; user < x.user_count(); ++user) {
      const auto degree = static_cast<std::int32_t>(x.by_user.row(user).size());
      // Who touched everything has no other item.
      if (degree == 0 || degree == x.item_count()) continue;
      if (draw_ == BprDraw::users) {
        users_.push_back(user);
        continue;
      }
      const auto own = x.by_user.row(user);
      users_.insert(users_.end(), own.size(), user);
      liked_.insert(liked_.end(), own.begin(), own.end());
    }
  }

  // False: nobody has both an item and one she did not touch, nothing can be drawn.
  bool drawable() const { return !users_.empty(); }

  // Triple i of a step depends on the seed, the step and i alone.
  BprTriple at(std::uint64_t step, std::uint64_t i) const {
    return hardest(step, i, 1, [](std::int32_t, std::int32_t) { return 0.0f; });
  }
  // The same user and liked item; of `candidates` others that of the highest score(user, item), the first where level.
  template <class Score>
  BprTriple hardest(std::uint64_t step, std::uint64_t i, int candidates, const Score& score) const {
    Philox rng(key_.bits, (step << 24) ^ i);
    const std::uint32_t place = rng.below(static_cast<std::uint32_t>(users_.size()));
    const std::int32_t user = users_[place];
    const auto own = x_->by_user.row(user);
    const std::int32_t liked =
        draw_ == BprDraw::interactions ? liked_[place] : own[rng.below(static_cast<std::uint32_t>(own.size()))];
    const auto draw_other = [&] {
      for (;;) {
        const auto other = static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(x_->item_count())));
        if (!std::binary_search(own.begin(), own.end(), other)) return other;
      }
    };
    BprTriple triple{user, liked, draw_other()};
    if (candidates <= 1) return triple;
    float most = score(user, triple.other);
    for (int c = 1; c < candidates; ++c) {
      const std::int32_t other = draw_other();
      const float s = score(user, other);
      if (s > most) most = s, triple.other = other;
    }
    return triple;
  }
  // Item i of those that a step draws for all of its users: uniform over all items, hers or not.
  std::int32_t shared(std::uint64_t step, std::uint64_t i) const {
    Philox rng(key_.fold(0x736f6674).bits, (step << 24) ^ i);
    return static_cast<std::int32_t>(rng.below(static_cast<std::uint32_t>(x_->item_count())));
  }
  void batch(std::uint64_t step, std::span<BprTriple> out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = at(step, i);
  }

 private:
  const Interactions* x_;
  BprDraw draw_;
  Key key_;
  std::vector<std::int32_t> users_;  // once each, or once an interaction
  std::vector<std::int32_t> liked_;  // the item of each interaction
};

}  // namespace thaw::inline v0
