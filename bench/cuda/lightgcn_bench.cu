// A training step of LightGCN at Gowalla's size: 29858 users, 40981 items, 810128 interactions, 64 numbers, 3 layers,
// 2048 triples, Adam on the whole table. The graph is drawn; its degrees are not Gowalla's.
#include <algorithm>
#include <vector>

#include "cuda/cases.hpp"
#include "cuda/timing.hpp"
#include "thaw/graph/placed_graph.hpp"
#include "thaw/nn/embedding.hpp"
#include "thaw/nn/losses.hpp"
#include "thaw/optim/adam.hpp"

namespace bench {

namespace {

constexpr thaw::Index kUsers = 29858, kItems = 40981, kNodes = kUsers + kItems, kInteractions = 810128;
constexpr thaw::Index kWidth = 64, kTriples = 2048;
constexpr int kLayers = 3;

// Neighbours of each node; items are drawn with a long tail.
struct DrawnGraph {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> ids;

  explicit DrawnGraph(std::uint64_t seed) : offsets(kNodes + 1, 0) {
    std::vector<std::int32_t> user, item;
    thaw::Philox rng(seed);
    for (thaw::Index e = 0; e < kInteractions; ++e) {
      const double u = rng.uniform();
      user.push_back(static_cast<std::int32_t>(rng.below(kUsers)));
      item.push_back(static_cast<std::int32_t>(kUsers + static_cast<thaw::Index>(u * u * u * kItems)));
      ++offsets[static_cast<std::size_t>(user.back()) + 1];
      ++offsets[static_cast<std::size_t>(item.back()) + 1];
    }
    for (std::size_t v = 0; v < kNodes; ++v) offsets[v + 1] += offsets[v];
    std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
    ids.resize(2 * kInteractions);
    for (std::size_t e = 0; e < kInteractions; ++e) {
      ids[static_cast<std::size_t>(next[static_cast<std::size_t>(user[e])]++)] = item[e];
      ids[static_cast<std::size_t>(next[static_cast<std::size_t>(item[e])]++)] = user[e];
    }
  }
};

}  // namespace

void time_propagation(thaw::CudaSession& session) {
  using B = thaw::Cuda;
  auto& context = session.context();
  thaw::ContextScope memory(context);
  const DrawnGraph drawn(3);
  const auto graph = thaw::place_graph<float, B>(context, kNodes, drawn.offsets.data(), drawn.ids.data());
  thaw::Parameters<thaw::Embedding<thaw::Spec>, float, B> parameters(thaw::embedding_spec(kNodes, kWidth), context, 1);
  thaw::Adam<float, B> adam(parameters);
  thaw::Tape<float, B> tape(context);
  std::vector<std::int32_t> users, liked, others;
  thaw::Philox rng(2);
  for (thaw::Index i = 0; i < kTriples; ++i) {
    users.push_back(static_cast<std::int32_t>(rng.below(kUsers)));
    liked.push_back(static_cast<std::int32_t>(kUsers + rng.below(kItems)));
    others.push_back(static_cast<std::int32_t>(kUsers + rng.below(kItems)));
  }
  const CudaTimer timer(session.device().stream());
  const double step = timer.median([&] {
    thaw::Scope scope(tape);
    const auto table = parameters.on(tape).table;
    auto sum = table, layer = table;
    for (int k = 0; k < kLayers; ++k) {
      layer = thaw::propagate(graph, layer);
      sum = thaw::add(sum, layer);
    }
    sum = thaw::scale(sum, 1.0 / (kLayers + 1));
    const auto rows = [&](const std::vector<std::int32_t>& ids) {
      return thaw::gather(sum, thaw::Bags{ids.data(), nullptr, kTriples, false});
    };
    const auto u = rows(users);
    const auto score = [&](const auto& items) { return thaw::sum_to(thaw::mul(u, items), {kTriples, 1}); };
    const auto loss = thaw::bpr(score(rows(liked)), score(rows(others)));
    adam.step(parameters, parameters.gradient(loss), 1e-3);
  });
  print_cuda("LightGCN training step, Gowalla's size", step);
  const double once = timer.median([&] {
    thaw::ContextScope scope(context);
    (void)thaw::propagate(graph, parameters.values().table);
  });
  // Every neighbour's row is read once, every row written once; ids and offsets besides.
  const double bytes = 4.0 * kWidth * (2.0 * kInteractions + kNodes) + 4.0 * 2.0 * kInteractions + 8.0 * kNodes;
  print_cuda("propagation, Gowalla's size", once, bytes);
}

}  // namespace bench
