// The best variant under the published protocol: contexts and visible cells as published, on top of what training
// knows.
//
//   hire::PublishedRehearsal rehearsal(data, known, weights, recipe);   // the same situation inside the training
//   ratings auto scores = hire::score_published_stage(bare_stage, state, weights, trainer, packer, seed);
//
// In this protocol nothing of a new user or item is known but the visible cells of the context, so the biases are
// corrected by them, context by context. A rating that was given as input is returned as it is: the protocol scores it.
#pragma once

#include "hire/published.hpp"
#include "hire/stage.hpp"

namespace hire {

// The start of the network for one context whose visible cells are not part of the stage's graph.
class VisibleCells {
 public:
  void start(const Stage& stage, const AffinityWeights& weights, const thaw::Context& context,
             const thaw::ContextCells& cells, std::vector<float>& base, std::vector<float>& numbers) {
    correct_biases(stage, context, cells);
    base.clear();
    numbers.clear();
    float cell[Affinities::kMost];
    const int count = stage.affinities.count();
    for (std::size_t r = 0; r < user_.size(); ++r)
      for (std::size_t c = 0; c < item_.size(); ++c) {
        stage.affinities.read(context.users[r], context.items[c], cell);
        const double biases = stage.statistics.biases.mean + user_[r].value + item_[c].value;
        base.push_back(static_cast<float>(biases + weights.correction(stage.kind, cell, count)));
        for (int k = 0; k < count; ++k) numbers.push_back(3 * cell[k]);
      }
  }

 private:
  struct Bias {
    double known, weight, value;  // fitted without the cells, what that is worth in ratings, corrected
  };

  // Alternating damped means over the visible cells, each drawn to the bias that training knows.
  void correct_biases(const Stage& stage, const thaw::Context& context, const thaw::ContextCells& cells) {
    const auto prepare = [](const std::vector<std::int32_t>& ids, const thaw::Csr& rows,
                            const std::vector<double>& known, double damping, std::vector<Bias>& out) {
      out.clear();
      for (const std::int32_t id : ids) {
        const double bias = known[static_cast<std::size_t>(id)];
        out.push_back({bias, static_cast<double>(rows.row(id).size()) + damping, bias});
      }
    };
    const thaw::RatingBiases& biases = stage.statistics.biases;
    prepare(context.users, stage.visible.by_user, biases.user, 5, user_);
    prepare(context.items, stage.visible.by_item, biases.item, 3, item_);
    const std::size_t width = item_.size();
    const auto update = [&](std::vector<Bias>& side, const std::vector<Bias>& other, auto&& cell_of) {
      for (std::size_t a = 0; a < side.size(); ++a) {
        double sum = side[a].known * side[a].weight, weight = side[a].weight;
        for (std::size_t b = 0; b < other.size(); ++b) {
          const std::size_t c = cell_of(a, b);
          if (cells.visible[c] == 0) continue;
          sum += static_cast<double>(cells.rating[c]) - biases.mean - other[b].value;
          weight += 1;
        }
        side[a].value = sum / weight;
      }
    };
    for (int sweep = 0; sweep < 5; ++sweep) {
      update(item_, user_, [width](std::size_t c, std::size_t r) { return r * width + c; });
      update(user_, item_, [width](std::size_t r, std::size_t c) { return r * width + c; });
    }
  }

  std::vector<Bias> user_, item_;
};

// A scenario in the published form: who is in it with which ratings, and a stage that knows none of them.
struct PublishedScenario {
  PublishedState state;
  std::unique_ptr<Stage> bare;

  static PublishedScenario make(const thaw::Dataset& data, const std::vector<thaw::Rating>& known,
                                const thaw::Scenario& scenario, const Recipe& recipe) {
    thaw::Scenario nothing;
    nothing.kind = scenario.kind;
    std::vector<thaw::Rating> all = scenario.hidden;
    all.insert(all.end(), scenario.visible.begin(), scenario.visible.end());
    return {{&data, scenario.targets, thaw::RatingGraph::from_ratings(all, data.users.size(), data.items.size())},
            Stage::make(data, known, nothing, recipe)};
  }
};

// Training contexts in the published form, from scenarios staged inside the training ratings.
class PublishedRehearsal {
 public:
  PublishedRehearsal(const thaw::Dataset& data, const std::vector<thaw::Rating>& train, const AffinityWeights& weights,
                     const Recipe& recipe)
      : recipe_(recipe), weights_(weights) {
    each_rehearsal(data, train, recipe.seed, 0, recipe.episodes, [&](const thaw::ColdStartSplit& split) {
      for (const thaw::Scenario& scenario : split.test)
        if (!scenario.targets.empty())
          scenarios_.push_back(
              std::make_unique<PublishedScenario>(PublishedScenario::make(data, split.train, scenario, recipe)));
    });
    for (const auto& scenario : scenarios_)
      contexts_.push_back(std::make_unique<PublishedContexts>(scenario->state, published_form(recipe)));
  }
  // The contexts `share` of `batch` of 32 x 32 with every hidden cell as a target.
  void pack_step(Index step, int batch, const thaw::Share& share, ContextPacker& packer) {
    packer.clear();
    for (Index b = share.begin; b < share.end; ++b) {
      thaw::Philox rng = thaw::context_rng(recipe_.seed, 3, static_cast<std::uint64_t>(step * batch + b));
      const std::size_t from = rng.below(static_cast<std::uint32_t>(scenarios_.size()));
      const auto& users = scenarios_[from]->state.users;
      contexts_[from]->draw(users[rng.below(static_cast<std::uint32_t>(users.size()))], rng, context_, cells_);
      visible_.start(*scenarios_[from]->bare, weights_, context_, cells_, base_, numbers_);
      packer.add(context_, cells_, &scenarios_[from]->bare->statistics, base_.data(), numbers_);
      const auto asked = [&](std::size_t c) { return cells_.observed[c] != 0 && cells_.visible[c] == 0; };
      double count = 1;
      for (std::size_t c = 0; c < cells_.rating.size(); ++c) count += asked(c) ? 1 : 0;
      packer.add_targets(cells_, 1 / (count * batch), asked);
    }
  }
  // How contexts in the published form are drawn.
  static Recipe published_form(const Recipe& recipe) {
    Recipe form = paper_recipe();
    form.sampler = recipe.published_sampler;
    return form;
  }

 private:
  const Recipe& recipe_;
  const AffinityWeights& weights_;
  std::vector<std::unique_ptr<PublishedScenario>> scenarios_;
  std::vector<std::unique_ptr<PublishedContexts>> contexts_;
  thaw::Context context_;
  thaw::ContextCells cells_;
  VisibleCells visible_;
  std::vector<float> base_, numbers_;
};

// Scores every user of a state as published. `bare`: a stage that knows the training ratings and nothing else.
inline std::vector<thaw::UserScores> score_published_stage(const Stage& bare, const PublishedState& state,
                                                           const AffinityWeights& weights, Trainer& trainer,
                                                           ContextPacker& packer, std::uint64_t seed,
                                                           std::size_t most = 0) {
  PublishedContexts contexts(state, PublishedRehearsal::published_form(trainer.recipe()));
  const thaw::Protocol protocol = thaw::published_protocol();
  const std::size_t targets = most == 0 ? state.users.size() : (std::min)(most, state.users.size());
  VisibleCells visible;
  thaw::Context context;
  thaw::ContextCells cells;
  std::vector<float> base, numbers, predicted;
  std::vector<thaw::UserScores> scores;
  for (std::size_t t = 0; t < targets; ++t) {
    thaw::Philox rng = thaw::context_rng(seed, 1, t);
    contexts.draw(state.users[t], rng, context, cells);
    visible.start(bare, weights, context, cells, base, numbers);
    packer.clear();
    packer.add(context, cells, &bare.statistics, base.data(), numbers);
    trainer.predict(packer, predicted);
    for (std::size_t c = 0; c < predicted.size(); ++c)
      if (cells.visible[c] != 0) predicted[c] = cells.rating[c];
    thaw::collect_cells(protocol,
                        {context.users, context.items, predicted, cells.rating, cells.observed, cells.visible}, scores);
  }
  return scores;
}

}  // namespace hire
