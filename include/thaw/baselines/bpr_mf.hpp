// BprMfPredictor: factors of users and items by stochastic gradient steps on pairs of items, BPR-MF (Rendle et al., UAI
// 2009).
//
//   auto bpr = thaw::BprMfPredictor::fit(visible, {.width = 64, .epochs = 100, .threads = 2});
//   if (bpr) bpr.value().score(user, candidates, out);
//
//   -log sigmoid(<p, q_liked> - <p, q_other>) + decay / 2 (|p|^2 + |q_liked|^2 + |q_other|^2)
//
// An epoch is one triple for each interaction on average: an interaction at random, an item that the user did not touch
// at random, one step on three rows. Without threads the result is a function of the settings and the instruction set;
// with threads updates meet without locks (Hogwild), as good, never the same twice. Only for users of the graph.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "thaw/backend/kernels/vector_math_rows.hpp"
#include "thaw/backend/threads.hpp"
#include "thaw/baselines/kernels/factor_rows.hpp"
#include "thaw/core/error.hpp"
#include "thaw/core/random.hpp"
#include "thaw/graph/bpr_triples.hpp"
#include "thaw/graph/interactions.hpp"

namespace thaw::inline v0 {

struct BprMfOptions {
  Index width = 64;
  double learning_rate = 0.05;
  double decay = 0.01;
  int epochs = 100;
  double deviation = 0.1;  // of the normal start
  std::uint64_t seed = 1;
  int threads = 1;  // above 1: without locks, not reproducible
};

class BprMfPredictor {
 public:
  static constexpr bool kPredictsRatings = false;
  using Options = BprMfOptions;

  // Errors: no interactions, a setting out of range, nobody who has both an item and one she did not touch.
  static Result<BprMfPredictor> fit(const RatingGraph& visible, const Options& options) {
    const auto x = Interactions::from_graph(visible);
    if (!x) return x.fault();
    auto started = start(x.value(), options);
    const BprTriples triples(x.value(), {.draw = BprDraw::interactions, .seed = options.seed});
    const auto count = static_cast<Index>(x.value().by_user.ids.size());
    for (int epoch = 0; started && epoch < options.epochs; ++epoch) started.value().epoch(triples, count);
    return started;
  }
  static Result<BprMfPredictor> fit(const RatingGraph& visible) { return fit(visible, Options()); }

  // Random factors, for epochs one at a time.
  static Result<BprMfPredictor> start(const Interactions& x, const Options& o) {
    if (o.width < 1 || o.width > 4096 || !(o.learning_rate > 0) || o.learning_rate > 10 || !(o.decay >= 0) ||
        o.decay > 10 || o.epochs < 1 || !(o.deviation > 0) || o.threads < 1) {
      return make_fault(FaultKind::out_of_range, "BprMfPredictor: width ", o.width, ", rate ", o.learning_rate,
                        ", decay ", o.decay, ", epochs ", o.epochs, ", deviation ", o.deviation, ", threads ",
                        o.threads, "; rate and decay are at most 10, all but the decay above 0");
    }
    if (!BprTriples(x, {}).drawable())
      return make_fault(FaultKind::out_of_range, "BprMfPredictor: none of ", x.user_count(),
                        " users has both an item and one she did not touch; there is nothing to rank");
    BprMfPredictor predictor;
    predictor.o_ = o;
    predictor.users_.resize(static_cast<std::size_t>(x.user_count() * o.width));
    predictor.items_.resize(static_cast<std::size_t>(x.item_count() * o.width));
    Philox rng(Key{o.seed}.fold(0x6270726d));
    for (std::vector<float>* side : {&predictor.users_, &predictor.items_})
      for (float& v : *side) v = static_cast<float>(o.deviation * rng.normal());
    return predictor;
  }

  // `count` triples, those of this epoch; an epoch is usually as many as there are interactions.
  void epoch(const BprTriples& triples, Index count) {
    const Isa isa = detect_isa();
    in_parallel(o_.threads, [&](int t) {
      const Index end = count * (t + 1) / o_.threads;
      BprTriple drawn[kAhead];
      for (Index i = count * t / o_.threads; i < end; i += kAhead) {
        const Index n = end - i < kAhead ? end - i : kAhead;
        for (Index k = 0; k < n; ++k) {
          drawn[k] = triples.at(epoch_ << 12 ^ static_cast<std::uint64_t>(i + k) >> 24,
                                static_cast<std::uint64_t>(i + k) & 0xffffff);
          prefetch(user_data(drawn[k].user));
          prefetch(item_data(drawn[k].liked));
          prefetch(item_data(drawn[k].other));
        }
        for (Index k = 0; k < n; ++k) step(isa, drawn[k]);
      }
    });
    ++epoch_;
  }
  // One triple's step; for checks.
  void step(const BprTriple& triple) { step(detect_isa(), triple); }

  std::int32_t user_count() const { return static_cast<std::int32_t>(static_cast<Index>(users_.size()) / o_.width); }
  std::int32_t item_count() const { return static_cast<std::int32_t>(static_cast<Index>(items_.size()) / o_.width); }
  std::span<const float> user_row(std::int32_t user) const {
    return {users_.data() + user * o_.width, static_cast<std::size_t>(o_.width)};
  }
  std::span<const float> item_row(std::int32_t item) const {
    return {items_.data() + item * o_.width, static_cast<std::size_t>(o_.width)};
  }

  void score(std::int32_t user, std::span<const std::int32_t> items, std::span<float> out) const {
    require(user >= 0 && user < user_count() && items.size() == out.size(), "BprMfPredictor: user ", user, " of ",
            user_count(), ", room for ", out.size(), " of ", items.size(), " items");
    const Isa isa = detect_isa();
    for (std::size_t i = 0; i < items.size(); ++i)
      out[i] = dot(isa, o_.width, user_row(user).data(), item_row(items[i]).data());
  }

 private:
  static constexpr Index kAhead = 16;  // triples drawn, and their rows asked for, before the first is computed

  float* user_data(std::int32_t user) { return users_.data() + user * o_.width; }
  float* item_data(std::int32_t item) { return items_.data() + item * o_.width; }
  void prefetch(const float* row) const {
    for (Index j = 0; j < o_.width; j += 16) __builtin_prefetch(row + j, 1);
  }
  void step(Isa isa, const BprTriple& t) {
    THAW_DISPATCH(isa, bpr_row_step(o_.width, static_cast<float>(o_.learning_rate), static_cast<float>(o_.decay),
                                    user_data(t.user), item_data(t.liked), item_data(t.other)));
  }

  Options o_;
  std::vector<float> users_, items_;  // (rows, width)
  std::uint64_t epoch_ = 0;
};

}  // namespace thaw::inline v0
