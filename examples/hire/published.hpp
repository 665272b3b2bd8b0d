// The published run of HIRE on MovieLens-1M: its contexts for training, and its way of testing.
//
// Contexts hold the target's items and the users who rated most of them; three fixed item positions are visible; the
// loss counts every observed cell. A test context is drawn from one scenario's ratings alone, and every row is scored
// on every observed cell, the visible ones included: numbers to put beside printed ones, not to trust
// (docs/evaluation.md).
#pragma once

#include "hire/sampling.hpp"
#include "hire/trainer.hpp"
#include "thaw/data/cold_start_states.hpp"
#include "thaw/eval/metric_table.hpp"

namespace hire {

// One published state as the graph that its contexts are drawn from.
struct PublishedState {
  const thaw::Dataset* data = nullptr;
  std::vector<std::int32_t> users;  // who may be a target or a neighbour
  thaw::RatingGraph graph;          // their ratings in this state

  static PublishedState make(const thaw::Dataset& data, const thaw::ColdStartState& state,
                             std::vector<std::int32_t> users) {
    std::vector<std::uint8_t> is_in(static_cast<std::size_t>(data.users.size()), 0);
    for (const std::int32_t u : users) is_in[static_cast<std::size_t>(u)] = 1;
    std::vector<thaw::Rating> ratings;
    for (const auto& r : state.ratings)
      if (is_in[static_cast<std::size_t>(r.user)] != 0) ratings.push_back(r);
    return {&data, std::move(users), thaw::RatingGraph::from_ratings(ratings, data.users.size(), data.items.size())};
  }
};

// The users of the warm state that train: all but every eighth.
inline std::vector<std::int32_t> published_training_users(const thaw::ColdStartState& warm) {
  std::vector<std::int32_t> users;
  for (std::size_t i = 0; i < warm.users.size(); ++i)
    if (i % 8 != 0) users.push_back(warm.users[i]);
  return users;
}

// Draws contexts of one state in the published way, or with the recipe's other samplers and rules of what is visible.
class PublishedContexts {
 public:
  PublishedContexts(const PublishedState& state, const Recipe& recipe)
      : state_(state), source_(*state.data, state.graph, recipe, state.users) {}

  void draw(std::int32_t target, thaw::Philox& rng, thaw::Context& drawn, thaw::ContextCells& shown) {
    own_.clear();
    for (const auto& edge : state_.graph.by_user.row(target)) own_.push_back(edge.column);
    if (!source_.draws_among_queries()) rng.shuffle(own_);
    source_.draw(target, own_, rng, drawn);
    thaw::read_cells(drawn, state_.graph.by_user, shown);
    source_.show(drawn, rng, shown);
  }

  // Room for whoever packs one context after the other; kept, so that nothing is allocated anew.
  thaw::Context context;
  thaw::ContextCells cells;

 private:
  const PublishedState& state_;
  ContextSource source_;
  std::vector<std::int32_t> own_;
};

// Fills the packer with the contexts `share` of one training step. Contexts repeat from epoch to epoch.
inline void pack_published_step(const PublishedState& state, PublishedContexts& contexts, const Recipe& recipe,
                                Index step, const thaw::Share& share, ContextPacker& packer) {
  thaw::Context& context = contexts.context;
  thaw::ContextCells& cells = contexts.cells;
  packer.clear();
  for (Index b = share.begin; b < share.end; ++b) {
    std::uint64_t index = static_cast<std::uint64_t>(step * recipe.batch + b);
    if (recipe.contexts_in_epoch > 0) index %= static_cast<std::uint64_t>(recipe.contexts_in_epoch);
    thaw::Philox rng = thaw::context_rng(recipe.seed, 0, index);
    const std::int32_t target = state.users[rng.below(static_cast<std::uint32_t>(state.users.size()))];
    contexts.draw(target, rng, context, cells);
    const bool all = recipe.loss_cells == LossCells::all_observed;
    const auto counts = [&](std::size_t c) { return cells.observed[c] != 0 && (all || cells.visible[c] == 0); };
    double count = 0;
    for (std::size_t c = 0; c < cells.rating.size(); ++c) count += counts(c) ? 1 : 0;
    packer.add(context, cells);
    packer.add_targets(cells, count > 0 ? 1 / count : 0, counts);
  }
}

// Scores every user of a state once, all rows and observed cells of his context. `most` limits the targets (0: all).
inline std::vector<thaw::UserScores> score_published(const PublishedState& state, Trainer& trainer,
                                                     ContextPacker& packer, std::uint64_t seed, std::size_t most = 0) {
  PublishedContexts contexts(state, trainer.recipe());
  const thaw::Protocol protocol = thaw::published_protocol();
  const std::size_t targets = most == 0 ? state.users.size() : (std::min)(most, state.users.size());
  std::vector<thaw::Context> batch(static_cast<std::size_t>(trainer.recipe().batch));
  std::vector<thaw::ContextCells> cells(batch.size());
  std::vector<float> predicted;
  std::vector<thaw::UserScores> scores;
  for (std::size_t begin = 0; begin < targets; begin += batch.size()) {
    const std::size_t count = (std::min)(batch.size(), targets - begin);
    packer.clear();
    for (std::size_t b = 0; b < count; ++b) {
      thaw::Philox rng = thaw::context_rng(seed, 1, begin + b);
      contexts.draw(state.users[begin + b], rng, batch[b], cells[b]);
      packer.add(batch[b], cells[b]);
    }
    trainer.predict(packer, predicted);
    const std::size_t width = predicted.size() / count;
    for (std::size_t b = 0; b < count; ++b)
      thaw::collect_cells(protocol,
                          {batch[b].users, batch[b].items, std::span(predicted).subspan(b * width, width),
                           cells[b].rating, cells[b].observed, cells[b].visible},
                          scores);
  }
  return scores;
}

}  // namespace hire
