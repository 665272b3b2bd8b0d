// A small model with row tables and dense layers, and its samples: sample n is a function of n alone.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/distributed/gradient_sum.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/nn/mlp.hpp"
#include "thaw/ops/layout.hpp"
#include "thaw/optim/table_adam.hpp"

namespace distributed_test {

using thaw::Bags;
using thaw::Index;

// docs/distributed.md: the largest difference of a weight over the largest weight, after 50 steps; of this model, and
// of whole trainers.
inline constexpr double kDoubleBound = 1e-12, kFloatBound = 1e-5, kTrainerBound = 1e-4;

template <thaw::Value T>
struct Pair {
  T a, b;
  static void each(auto&& visit, auto&... m) { visit("a", m.a...), visit("b", m.b...); }
};

template <thaw::Value T>
struct Towers {
  thaw::Embedding<T> items, item_bias, users;
  thaw::Mlp<T> deep;
  static void each(auto&& visit, auto&... m) {
    visit("items", m.items...), visit("item_bias", m.item_bias...), visit("users", m.users...);
    visit("deep", m.deep...);
  }
};

template <class R>
struct TwoTowers {
  static constexpr Index kItems = 30, kUsers = 20, kWidth = 4;
  static Towers<thaw::Spec> plan() {
    return {thaw::embedding_spec(kItems, kWidth, true), thaw::embedding_spec(kItems, 1, true),
            thaw::embedding_spec(kUsers, kWidth, true), thaw::mlp_spec({kWidth, 6, 1}, thaw::Activation::tanh)};
  }

  explicit TwoTowers(std::uint64_t seed = 3) : parameters(plan(), home, seed) {}

  // This rank's part of the mean loss of samples first .. first + batch - 1.
  thaw::Var<R> loss(Index first, Index batch, const thaw::CommunicatorRef& ranks) {
    const thaw::Share share = thaw::share_of(batch, ranks.rank(), ranks.size());
    item_ids.clear(), user_ids.clear(), truth.clear();
    for (Index n = first + share.begin; n < first + share.end; ++n) {
      thaw::Philox rng(11, static_cast<std::uint64_t>(n));
      item_ids.push_back(static_cast<std::int32_t>(rng.below(kItems)));
      user_ids.push_back(static_cast<std::int32_t>(rng.below(kUsers)));
      truth.push_back(static_cast<R>(std::sin(item_ids.back()) * std::cos(user_ids.back()) + 0.3 * rng.normal()));
    }
    const auto net = parameters.on(tape);
    const Bags items{item_ids.data(), nullptr, share.size(), false},
        users{user_ids.data(), nullptr, share.size(), false};
    const auto match = net.deep(thaw::mul(net.items(items), net.users(users)));
    const auto predicted = thaw::add(match, net.item_bias(items));
    const auto target = thaw::Array<R>::view(context, truth.data(), {share.size(), 1});
    return thaw::scale(thaw::sum(thaw::square(thaw::sub(predicted, target))), 1.0 / static_cast<double>(batch));
  }

  thaw::GrowingArena weights, arena;
  thaw::Cpu::Context home{&weights}, context{&arena};
  thaw::Parameters<Towers<thaw::Spec>, R> parameters;
  thaw::Tape<R> tape{context};
  std::vector<std::int32_t> item_ids, user_ids;
  std::vector<R> truth;
};

// The weights after so many steps of TableAdam on batches of 37. `half`: the second half of the ranks is left out.
template <class R>
std::vector<double> trained_weights(const thaw::CommunicatorRef& ranks, int steps, bool half = false) {
  constexpr Index kBatch = 37;
  TwoTowers<R> world(static_cast<std::uint64_t>(3 + ranks.rank()));  // others start elsewhere until they are told
  ranks.need(thaw::broadcast_parameters(ranks, world.parameters));
  thaw::TableAdam<R> adam(world.parameters);
  thaw::GradientSum<R> sum(ranks);
  for (int s = 0; s < steps; ++s) {
    thaw::Scope scope(world.tape);
    auto loss = world.loss(s * kBatch, kBatch, ranks);
    if (half && 2 * ranks.rank() >= ranks.size()) loss = thaw::scale(loss, 0);
    auto list = world.parameters.gradient(loss);
    ranks.need(sum(world.parameters, world.context, list));
    adam.step(world.parameters, list, 1e-2);
  }
  std::vector<double> out;
  for (int i = 0; i < world.parameters.count(); ++i)
    for (const R x : world.parameters.slot(i).value) out.push_back(static_cast<double>(x));
  return out;
}

// The largest difference over the largest weight.
inline double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0, off = a.size() == b.size() ? 0 : 1e300;
  for (std::size_t k = 0; k < a.size() && k < b.size(); ++k) {
    most = std::fmax(most, std::fabs(a[k]));
    off = std::fmax(off, std::fabs(a[k] - b[k]));
  }
  return off / most;
}

}  // namespace distributed_test
