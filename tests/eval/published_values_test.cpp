// Trivial predictors on the published cold-start split of MovieLens-1M against values measured by another program (in
// Python, on the same split with the same sampling rule but other random numbers). Needs the data: set THAW_DATA to a
// folder that holds ml-1m and ml-1m-melu.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "thaw/baselines/item_mean.hpp"
#include "thaw/baselines/popularity.hpp"
#include "thaw/baselines/random.hpp"
#include "thaw/data/cold_start_states.hpp"
#include "thaw/data/context_cells.hpp"
#include "thaw/data/context_sampler.hpp"
#include "thaw/data/movielens.hpp"
#include "thaw/eval/metric_table.hpp"

namespace {

using Scores = std::vector<thaw::UserScores>;

// Contexts of one state as published code makes them: from the state's own ratings, hidden ones included.
struct PublishedContexts {
  std::vector<thaw::Context> contexts;
  std::vector<thaw::ContextCells> cells;
};

PublishedContexts published_contexts(const thaw::ColdStartState& state, const thaw::Dataset& data, std::size_t most) {
  const auto graph = thaw::RatingGraph::from_ratings(state.ratings, data.users.size(), data.items.size());
  thaw::ContextSampler sampler(graph, {}, state.users);
  PublishedContexts made;
  const std::size_t step = state.users.size() > most ? state.users.size() / most : 1;
  for (std::size_t i = 0; i < state.users.size() && made.contexts.size() < most; i += step) {
    std::vector<std::int32_t> own;
    for (const auto& edge : graph.by_user.row(state.users[i])) own.push_back(edge.column);
    own.erase(std::unique(own.begin(), own.end()), own.end());  // four pairs are listed twice
    thaw::Philox rng = thaw::context_rng(200, 0, i);
    thaw::Context& context = made.contexts.emplace_back();
    sampler.overlap(state.users[i], own, rng, context);
    thaw::ContextCells& cells = made.cells.emplace_back();
    thaw::read_cells(context, graph.by_user, cells);
    thaw::show_columns(context, thaw::kPublishedColumns, cells);
  }
  return made;
}

// Scores of all contexts, and after each context how many lists there are: lists of one context are not independent.
template <class Predictor>
Scores scores_of(const PublishedContexts& made, const Predictor& predictor, const thaw::Protocol& protocol,
                 std::vector<std::size_t>& ends) {
  Scores scores;
  std::vector<float> predictions;
  for (std::size_t i = 0; i < made.contexts.size(); ++i) {
    const thaw::Context& context = made.contexts[i];
    const std::size_t width = context.items.size();
    predictions.resize(context.users.size() * width);
    for (std::size_t row = 0; row < context.users.size(); ++row)
      predictor.score(context.users[row], context.items, std::span(predictions).subspan(row * width, width));
    const thaw::ContextCells& cells = made.cells[i];
    thaw::collect_cells(
        protocol, {context.users, context.items, predictions, cells.rating, cells.observed, cells.visible}, scores);
    ends.push_back(scores.size());
  }
  return scores;
}

// The standard error of a mean over lists that come in clusters (one a context): deviation of the cluster sums of
// (value - mean), over the number of lists.
double clustered_error(const thaw::MetricColumn& column, const std::vector<std::size_t>& ends) {
  double squares = 0;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double value = column.per_user[i];
      if (value == value) sum += value - column.over_users.mean;
    }
    squares += sum * sum;
    begin = end;
  }
  return std::sqrt(squares) / static_cast<double>(column.over_users.count);
}

// `wanted` in percent: P, NDCG, MAP at 5. The reference values have sampling errors of their own, taken as equal to
// ours, and are rounded to 0.01: the difference may be four of its standard errors. Ours must be below
// 0.9, otherwise the comparison says nothing.
template <class Predictor>
void check(const char* name, const PublishedContexts& made, const Predictor& predictor, const thaw::Protocol& protocol,
           const std::array<double, 3>& wanted) {
  std::vector<std::size_t> ends;
  const auto table = thaw::evaluate(scores_of(made, predictor, protocol, ends));
  const std::array<const char*, 3> metrics{"P@5", "NDCG@5", "MAP@5"};
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const thaw::MetricColumn* column = table.find(metrics[i]);
    const double got = 100 * column->over_users.mean;
    const double error = 100 * clustered_error(*column, ends);
    INFO(std::string(name), ", ", std::string(protocol.name), ", ", std::string(metrics[i]), ": ", got, " +- ", error,
         ", expected ", wanted[i]);
    CHECK(error < 0.9);
    CHECK(std::abs(got - wanted[i]) < 4 * std::sqrt(2.0) * error + 0.005);
  }
}

TEST_CASE("trivial predictors reproduce values measured elsewhere") {
  const char* folder = std::getenv("THAW_DATA");
  if (folder == nullptr) {
    MESSAGE("skipped: set THAW_DATA to a folder that holds ml-1m and ml-1m-melu");
    return;
  }
  const auto data = thaw::read_movielens_1m(std::string(folder) + "/ml-1m");
  CHECK_MESSAGE(data.ok(), (data.ok() ? "" : data.fault().text));
  if (!data) return;
  const auto states = thaw::read_cold_start_states(std::string(folder) + "/ml-1m-melu", data.value());
  CHECK_MESSAGE(states.ok(), (states.ok() ? "" : states.fault().text));
  if (!states) return;
  const auto& warm = states.value().warm.ratings;
  const auto training = thaw::RatingGraph::from_ratings(warm, data.value().users.size(), data.value().items.size());

  const thaw::RandomPredictor random({.seed = 4});
  const thaw::PopularityPredictor popularity(training.by_item);
  const thaw::ItemMeanPredictor item_mean(training);
  const auto all_rows = thaw::published_protocol();
  const auto target = thaw::leak_free_protocol();

  const auto user_cold = published_contexts(states.value().user_cold, data.value(), 1208);
  check("user cold, random", user_cold, random, all_rows, {45.66, 78.89, 33.65});
  check("user cold, popularity", user_cold, popularity, all_rows, {59.71, 85.95, 49.55});
  check("user cold, item mean", user_cold, item_mean, all_rows, {65.83, 88.79, 57.41});
  check("user cold, random", user_cold, random, target, {37.05, 76.68, 25.84});
  check("user cold, item mean", user_cold, item_mean, target, {59.18, 87.65, 49.81});
  const auto item_cold = published_contexts(states.value().item_cold, data.value(), 4769);
  check("item cold, random", item_cold, random, all_rows, {52.47, 78.52, 41.44});
  check("item cold, random", item_cold, random, target, {45.83, 76.28, 34.73});
  const auto both_cold = published_contexts(states.value().both_cold, data.value(), 1197);
  check("both cold, random", both_cold, random, all_rows, {56.25, 79.71, 45.43});
  check("both cold, random", both_cold, random, target, {47.16, 77.25, 35.76});
}

}  // namespace
