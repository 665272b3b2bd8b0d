// Recommenders that are fitted to the target, behind one signature.
//
//   thaw::Result<zero_shot::Ask> ease = zero_shot::other_model("ease", target.graph());
//   auto table = target.measure(ease.value());
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "thaw/baselines/ease.hpp"
#include "thaw/baselines/item_knn.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random_walk.hpp"
#include "thaw/eval/top_n.hpp"
#include "thaw/graph/dot_scorer.hpp"
#include "thaw/graph/lightgcn.hpp"

namespace zero_shot {

using Ask = std::function<void(const thaw::TopNQuery&, std::span<const std::int32_t>, std::span<float>)>;

namespace detail {

template <class Predictor>
Ask asking(Predictor&& predictor) {
  const auto kept = std::make_shared<std::remove_cvref_t<Predictor>>(std::forward<Predictor>(predictor));
  return [kept](const thaw::TopNQuery& query, std::span<const std::int32_t> items, std::span<float> out) {
    kept->score_from(query.known, items, out);
  };
}
template <class Predictor>
thaw::Result<Ask> fitted(const thaw::RatingGraph& graph, const typename Predictor::Options& options) {
  thaw::Result<Predictor> predictor = Predictor::fit(graph, options);
  if (!predictor) return predictor.fault();
  return asking(std::move(predictor.value()));
}

// Three layers, 25 epochs at 5e-3: settings that suit small data, not tuned to any. A run of its own chooses better.
inline thaw::Result<Ask> lightgcn(const thaw::RatingGraph& graph) {
  const auto x = thaw::Interactions::from_graph(graph);
  if (!x) return x.fault();
  auto model = thaw::LightGcn::make(x.value(), {.layers = 3, .learning_rate = 5e-3});
  if (!model) return model.fault();
  const thaw::Index steps = 25 * model.value().steps_per_epoch();
  for (thaw::Index step = 0; step < steps; ++step) model.value().step();
  const auto nodes = static_cast<std::size_t>(graph.user_count() + graph.item_count());
  const auto vectors = std::make_shared<std::vector<float>>(64 * nodes);
  model.value().final_vectors(*vectors);
  const thaw::DotScorer scorer(*vectors, graph.user_count(), 64);
  return Ask([vectors, scorer](const thaw::TopNQuery& query, std::span<const std::int32_t> items,
                               std::span<float> out) { scorer.score(query.user, items, out); });
}

}  // namespace detail

// Errors: a name that is not known, and whatever the fit says. The graph is not kept.
inline thaw::Result<Ask> other_model(const std::string& name, const thaw::RatingGraph& graph) {
  if (name == "popularity") return detail::asking(thaw::PopularityPredictor(graph.by_item));
  if (name == "item-knn") return detail::fitted<thaw::ItemKnnPredictor>(graph, {});
  if (name == "p3alpha") return detail::fitted<thaw::RandomWalkPredictor>(graph, {});
  if (name == "ease") return detail::fitted<thaw::EasePredictor>(graph, {});
  if (name == "lightgcn") return detail::lightgcn(graph);
  return thaw::make_fault(thaw::FaultKind::not_found, name.c_str(),
                          ": no such model; there are popularity, item-knn, p3alpha, ease, lightgcn");
}

}  // namespace zero_shot
