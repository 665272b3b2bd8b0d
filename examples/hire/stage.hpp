// Stage: one cold-start situation, at the test or rehearsed on training ratings: what may be seen, and what is asked.
//
//   auto stages = hire::rehearsals(data, split.train, recipe);         // cold starts staged inside the training
//   ratings auto test = hire::Stage::make(data, split.train_and_validation(), split.test[0]);
//
// A rehearsal hides ratings of training users and items exactly as the test does, so that the network learns under the
// conditions in which it will be used: the biases it reads were fitted without the ratings it must predict.
#pragma once

#include <memory>

#include "hire/sampling.hpp"
#include "hire/trainer.hpp"
#include "thaw/baselines/attribute_neighbours.hpp"
#include "thaw/baselines/attribute_priors.hpp"
#include "thaw/data/cold_start_split.hpp"
#include "thaw/eval/metric_table.hpp"

namespace hire {

// The year an item appeared as one more attribute, in steps of three; empty where the data have no years.
inline thaw::Attribute age_attribute(const thaw::Entities& items, const thaw::Csr& rows) {
  thaw::Attribute age;
  std::int32_t newest = 0;
  for (std::int32_t i = 0; i < items.size(); ++i)
    if (!items.years.empty() && !rows.row(i).empty())
      newest = (std::max)(newest, items.years[static_cast<std::size_t>(i)]);
  for (std::int32_t i = 0; i < items.size(); ++i) {
    const std::int32_t year = items.years.empty() ? 0 : items.years[static_cast<std::size_t>(i)];
    // Items newer than any known one count as the newest: nothing is known of later years.
    const std::int32_t step = (newest - (std::min)(year, newest)) / 3;
    const std::int32_t value[] = {(std::min)(step, 40)};
    age.append(year > 0 ? std::span<const std::int32_t>(value) : std::span<const std::int32_t>());
  }
  age.declared_size = 41;
  return age;
}

// The biases of a rating graph, drawn to what attributes say of whoever has few ratings or none: the mean of two
// opinions, a regression on the attributes and the neighbours by attributes, which err in different ways.
inline thaw::RatingBiases informed_biases(const thaw::Dataset& data, const thaw::RatingGraph& visible) {
  const auto users = views_of(data.users);
  auto items = views_of(data.items);
  const thaw::RatingBiases plain = thaw::fit_biases(visible, {});
  const thaw::AttributeNeighboursPredictor neighbours(visible, users, items);
  const thaw::Attribute age = age_attribute(data.items, visible.by_item);
  items.push_back({age.offsets, age.ids, age.cardinality()});
  // Three ratings' worth and 16: the best of 1 .. 16 and of 4 .. 32 on rehearsals inside the training ratings of
  // MovieLens-1M.
  thaw::RatingBiases biases = thaw::fit_biases(
      visible, {.item_damping = 3}, thaw::attribute_priors(users, visible.by_user, plain.user, {.shrinkage = 16}),
      thaw::attribute_priors(items, visible.by_item, plain.item, {.shrinkage = 16}));
  for (std::size_t i = 0; i < biases.item.size(); ++i)
    biases.item[i] = 0.5 * (biases.item[i] + neighbours.biases().item[i]);
  for (std::size_t u = 0; u < biases.user.size(); ++u)
    biases.user[u] = 0.5 * (biases.user[u] + neighbours.biases().user[u]);
  return biases;
}

struct Stage {
  const thaw::Dataset* data = nullptr;
  thaw::Scenario::Kind kind = thaw::Scenario::Kind::user_cold;
  thaw::RatingGraph visible;  // known ratings and the support of whoever is new
  thaw::RatingGraph hidden;   // what is asked
  std::vector<std::int32_t> targets;
  Statistics statistics;
  Affinities affinities;

  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  static std::unique_ptr<Stage> make(const thaw::Dataset& data, std::vector<thaw::Rating> known,
                                     const thaw::Scenario& scenario, const Recipe& recipe) {
    auto stage = std::make_unique<Stage>();
    stage->data = &data;
    stage->kind = scenario.kind;
    known.insert(known.end(), scenario.visible.begin(), scenario.visible.end());
    stage->visible = thaw::RatingGraph::from_ratings(known, data.users.size(), data.items.size());
    stage->hidden = thaw::RatingGraph::from_ratings(scenario.hidden, data.users.size(), data.items.size());
    stage->targets = scenario.targets;
    stage->statistics = Statistics(stage->visible, informed_biases(data, stage->visible));
    stage->affinities = Affinities(data, stage->visible, stage->statistics.biases, recipe.affinity_entities);
    return stage;
  }
};

using Stages = std::vector<std::unique_ptr<Stage>>;

// Calls use(split) for `count` splits of the training ratings into rehearsed cold starts, from number `first` on.
template <class Use>
void each_rehearsal(const thaw::Dataset& data, const std::vector<thaw::Rating>& train, std::uint64_t seed, int first,
                    int count, Use&& use) {
  thaw::Dataset known;
  known.users.ids = data.users.ids;
  known.items.ids = data.items.ids;
  known.ratings = train;
  known.lowest = data.lowest;
  known.highest = data.highest;
  // Years of the items that have ratings here; the others must not be drawn.
  std::vector<std::int32_t> age;
  if (!data.items.years.empty()) {
    age.assign(data.items.years.size(), -1);
    for (const auto& r : train)
      age[static_cast<std::size_t>(r.item)] = data.items.years[static_cast<std::size_t>(r.item)];
  }
  for (int e = first; e < first + count; ++e) {
    thaw::ColdStartOptions options;
    options.validation_users = options.validation_items = 0;
    options.seed = thaw::Key{seed}.fold(1000 + static_cast<std::uint64_t>(e)).bits;
    // Every other rehearsal takes the newest items, as life does, where the data say when an item appeared.
    if (e % 2 == 1) options.item_order = age;
    use(thaw::split_cold_start(known, options));
  }
}

// Stages of all three scenarios for each of `count` rehearsed splits; the network learns on the recipe's first ones.
inline Stages rehearsals(const thaw::Dataset& data, const std::vector<thaw::Rating>& train, const Recipe& recipe,
                         int first, int count) {
  Stages stages;
  each_rehearsal(data, train, recipe.seed, first, count, [&](const thaw::ColdStartSplit& split) {
    for (const thaw::Scenario& scenario : split.test)
      if (!scenario.targets.empty()) stages.push_back(Stage::make(data, split.train, scenario, recipe));
  });
  return stages;
}
inline Stages rehearsals(const thaw::Dataset& data, const std::vector<thaw::Rating>& train, const Recipe& recipe) {
  return rehearsals(data, train, recipe, 0, recipe.episodes);
}

// How much each affinity counts for each kind of cold start: ridge regression of what the biases leave over, learnt on
// the hidden ratings of rehearsals. A dozen numbers a kind; the network starts from here.
class AffinityWeights {
 public:
  AffinityWeights() = default;
  explicit AffinityWeights(const Stages& rehearsals) {
    for (std::size_t kind = 0; kind < 3; ++kind) fit(rehearsals, static_cast<thaw::Scenario::Kind>(kind));
  }
  // What to add to the biases' prediction.
  double correction(thaw::Scenario::Kind kind, const float* numbers, int count) const {
    double sum = weights_[static_cast<std::size_t>(kind)][Affinities::kMost];
    for (int k = 0; k < count; ++k)
      sum += weights_[static_cast<std::size_t>(kind)][k] * static_cast<double>(numbers[k]);
    return sum;
  }

  // How much of the network's say on the order of one user's items counts, by kind of cold start; its say on their
  // level always counts. Chosen on held-out rehearsals (order_share.hpp).
  double order_share[3] = {1, 1, 1};

 private:
  static constexpr int kSize = Affinities::kMost + 1;  // the last one is the constant

  void fit(const Stages& rehearsals, thaw::Scenario::Kind kind) {
    double normal[kSize][kSize] = {}, right[kSize] = {};
    for (int k = 0; k < kSize; ++k) normal[k][k] = 10;
    for (const auto& stage : rehearsals)
      if (stage->kind == kind) add(*stage, normal, right);
    solve(normal, right, weights_[static_cast<std::size_t>(kind)]);
  }
  static void add(const Stage& stage, double (&normal)[kSize][kSize], double (&right)[kSize]) {
    float numbers[kSize] = {};
    numbers[kSize - 1] = 1;
    for (const std::int32_t user : stage.targets)
      for (const auto& edge : stage.hidden.by_user.row(user)) {
        if ((user + edge.column) % 3 != 0) continue;  // a third is plenty for so few numbers
        stage.affinities.read(user, edge.column, numbers);
        const double rest = static_cast<double>(edge.value) - stage.statistics.predict(user, edge.column);
        for (int a = 0; a < kSize; ++a) {
          right[a] += rest * static_cast<double>(numbers[a]);
          for (int b = 0; b < kSize; ++b)
            normal[a][b] += static_cast<double>(numbers[a]) * static_cast<double>(numbers[b]);
        }
      }
  }
  // Gaussian elimination; the matrix is positive definite, so no pivots are searched.
  static void solve(double (&m)[kSize][kSize], double (&right)[kSize], double (&out)[kSize]) {
    for (int c = 0; c < kSize; ++c)
      for (int r = c + 1; r < kSize; ++r) {
        const double factor = m[r][c] / m[c][c];
        for (int k = c; k < kSize; ++k) m[r][k] -= factor * m[c][k];
        right[r] -= factor * right[c];
      }
    for (int c = kSize - 1; c >= 0; --c) {
      double sum = right[c];
      for (int k = c + 1; k < kSize; ++k) sum -= m[c][k] * out[k];
      out[c] = sum / m[c][c];
    }
  }

  double weights_[3][kSize] = {};
};

// Contexts of a stage: the target, query items, and their neighbourhood in what is visible.
class StageContexts {
 public:
  StageContexts(const Stage& stage, const Recipe& recipe) : stage_(stage), source_(*stage.data, stage.visible, recipe) {
    thaw::require(!source_.draws_among_queries(),
                  "StageContexts: the overlap sampler does not keep query items first; choose another sampler");
  }

  std::int32_t most_queries() const { return source_.most_queries(); }

  // A context for given query items. Nothing hidden is read.
  void draw(std::int32_t target, std::span<const std::int32_t> queries, thaw::Philox& rng, thaw::Context& context,
            thaw::ContextCells& cells) {
    source_.draw(target, queries, rng, context);
    thaw::read_visible_cells(context, stage_.visible.by_user, cells);
  }
  // A context for training: some hidden items of a drawn target, and a few more users who are asked about the same
  // items. The hidden ratings of everybody in it are the targets of the loss.
  void draw_training(thaw::Philox& rng, thaw::Context& context, thaw::ContextCells& cells) {
    const std::int32_t target = stage_.targets[rng.below(static_cast<std::uint32_t>(stage_.targets.size()))];
    queries_.clear();
    for (const auto& edge : stage_.hidden.by_user.row(target)) queries_.push_back(edge.column);
    rng.shuffle(queries_);
    if (queries_.size() > static_cast<std::size_t>(most_queries()))
      queries_.resize(static_cast<std::size_t>(most_queries()));
    source_.draw(target, queries_, rng, context);
    invite(rng, context);
    thaw::read_visible_cells(context, stage_.visible.by_user, cells);
    for (std::size_t row = 0; row < context.users.size(); ++row)
      for (std::size_t column = 0; column < context.items.size(); ++column) {
        const float* asked = stage_.hidden.by_user.find(context.users[row], context.items[column]);
        if (asked == nullptr) continue;
        const std::size_t c = row * context.items.size() + column;
        cells.rating[c] = *asked;
        cells.observed[c] = 1;
      }
  }

  // What the network starts from: the prediction of biases and affinities for every cell, and the affinities.
  void start(const thaw::Context& context, const AffinityWeights& weights, std::vector<float>& base,
             std::vector<float>& numbers) const {
    base.clear();
    numbers.clear();
    float cell[Affinities::kMost];
    const int count = stage_.affinities.count();
    for (const std::int32_t u : context.users)
      for (const std::int32_t i : context.items) {
        stage_.affinities.read(u, i, cell);
        base.push_back(
            static_cast<float>(stage_.statistics.predict(u, i) + weights.correction(stage_.kind, cell, count)));
        for (int k = 0; k < count; ++k) numbers.push_back(3 * cell[k]);
      }
  }
  const Stage& stage() const { return stage_; }

 private:
  // Puts users with hidden ratings of the query items into the last rows: more to learn from one context.
  void invite(thaw::Philox& rng, thaw::Context& context) const {
    const std::size_t rows = context.users.size();
    for (std::size_t row = rows - rows / 3; row < rows && context.queries > 0; ++row) {
      const std::int32_t item = context.items[rng.below(static_cast<std::uint32_t>(context.queries))];
      const auto raters = stage_.hidden.by_item.row(item);
      if (raters.empty()) continue;
      const std::int32_t user = raters[rng.below(static_cast<std::uint32_t>(raters.size()))].column;
      if (std::find(context.users.begin(), context.users.end(), user) == context.users.end()) context.users[row] = user;
    }
  }

  const Stage& stage_;
  ContextSource source_;
  std::vector<std::int32_t> queries_;
};

// Draws and packs the contexts of training steps over a set of stages.
class Rehearsal {
 public:
  Rehearsal(const Stages& stages, const AffinityWeights& weights, const Recipe& recipe)
      : recipe_(recipe), weights_(weights), batch_(static_cast<std::size_t>(recipe.batch)), cells_(batch_.size()) {
    for (const auto& stage : stages) contexts_.push_back(std::make_unique<StageContexts>(*stage, recipe));
  }
  // The contexts `share` of a step. All are drawn, because each asked cell of the whole step weighs the same.
  void pack_step(Index step, const thaw::Share& share, ContextPacker& packer) {
    packer.clear();
    double count = 0;
    from_.assign(batch_.size(), 0);
    for (std::size_t b = 0; b < batch_.size(); ++b) {
      thaw::Philox rng = thaw::context_rng(recipe_.seed, 2, static_cast<std::uint64_t>(step) * batch_.size() + b);
      from_[b] = rng.below(static_cast<std::uint32_t>(contexts_.size()));
      contexts_[from_[b]]->draw_training(rng, batch_[b], cells_[b]);
      for (std::size_t c = 0; c < cells_[b].rating.size(); ++c) count += is_asked(b, c) ? 1 : 0;
    }
    for (auto b = static_cast<std::size_t>(share.begin); b < static_cast<std::size_t>(share.end); ++b) {
      contexts_[from_[b]]->start(batch_[b], weights_, base_, numbers_);
      packer.add(batch_[b], cells_[b], &contexts_[from_[b]]->stage().statistics, base_.data(), numbers_);
      packer.add_targets(cells_[b], 1 / (std::max)(count, 1.0), [&](std::size_t c) { return is_asked(b, c); });
    }
  }

 private:
  bool is_asked(std::size_t b, std::size_t c) const { return cells_[b].observed[c] != 0 && cells_[b].visible[c] == 0; }

  const Recipe& recipe_;
  const AffinityWeights& weights_;
  std::vector<std::unique_ptr<StageContexts>> contexts_;
  std::vector<thaw::Context> batch_;
  std::vector<std::size_t> from_;
  std::vector<thaw::ContextCells> cells_;
  std::vector<float> base_, numbers_;
};

// What the network's start says of one user's items.
inline void score_start(const Stage& stage, const AffinityWeights& weights, const thaw::Query& query,
                        std::vector<float>& start) {
  start.clear();
  float numbers[Affinities::kMost];
  for (const std::int32_t item : query.items) {
    stage.affinities.read(query.user, item, numbers);
    start.push_back(static_cast<float>(stage.statistics.predict(query.user, item) +
                                       weights.correction(stage.kind, numbers, stage.affinities.count())));
  }
}
inline std::vector<float> score_start(const Stage& stage, const AffinityWeights& weights, const thaw::Query& query) {
  std::vector<float> start;
  score_start(stage, weights, query, start);
  return start;
}

// Leaves `share` of what the network changed in the order of one user's items, and all of what it changed in level.
inline void share_order(std::span<const float> start, double share, std::span<float> predictions) {
  double level = 0;
  for (std::size_t i = 0; i < start.size(); ++i) level += static_cast<double>(predictions[i] - start[i]);
  level /= static_cast<double>((std::max)(start.size(), std::size_t{1}));
  for (std::size_t i = 0; i < start.size(); ++i) {
    const double change = static_cast<double>(predictions[i] - start[i]) - level;
    predictions[i] = static_cast<float>(static_cast<double>(start[i]) + level + share * change);
  }
}

// Scores queries over a stage: each query in as many contexts as its items need. Once it has seen the largest query it
// takes nothing from the heap, so one of these serves user after user.
class StageScorer {
 public:
  // Everything must outlive the scorer.
  StageScorer(const Stage& stage, const AffinityWeights& weights, Trainer& trainer, ContextPacker& packer,
              std::uint64_t seed)
      : stage_(stage),
        weights_(weights),
        trainer_(trainer),
        packer_(packer),
        seed_(seed),
        contexts_(stage, trainer.recipe()) {}

  // `scores`: one for each query; what it held before is overwritten in place.
  void score(std::span<const thaw::Query> queries, std::vector<thaw::UserScores>& scores) {
    cut(queries, scores);
    const auto batch = static_cast<std::size_t>(trainer_.recipe().batch);
    for (std::size_t first = 0; first < parts_.size(); first += batch)
      predict(queries, std::span(parts_).subspan(first, (std::min)(batch, parts_.size() - first)), scores);
    const double share = weights_.order_share[static_cast<std::size_t>(stage_.kind)];
    for (std::size_t q = 0; q < queries.size() && share < 1; ++q) {
      score_start(stage_, weights_, queries[q], start_);
      share_order(start_, share, scores[q].predictions);
    }
  }

 private:
  // Items of one query that fit one context.
  struct Part {
    std::size_t query, begin, count;
  };

  void cut(std::span<const thaw::Query> queries, std::vector<thaw::UserScores>& scores) {
    const auto most = static_cast<std::size_t>(contexts_.most_queries());
    scores.resize(queries.size());
    parts_.clear();
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const std::size_t size = queries[q].items.size(), pieces = (size + most - 1) / most;
      scores[q].user = queries[q].user;
      scores[q].items = queries[q].items;
      scores[q].predictions.assign(size, 0);
      scores[q].truths = queries[q].truths;
      for (std::size_t p = 0; p < pieces; ++p) {
        const std::size_t begin = size * p / pieces, end = size * (p + 1) / pieces;
        parts_.push_back({q, begin, end - begin});
      }
    }
  }
  void predict(std::span<const thaw::Query> queries, std::span<const Part> parts,
               std::vector<thaw::UserScores>& scores) {
    packer_.clear();
    for (const Part& part : parts) {
      const thaw::Query& query = queries[part.query];
      thaw::Philox rng = thaw::context_rng(seed_, static_cast<std::uint64_t>(query.user), part.begin);
      contexts_.draw(query.user, std::span(query.items).subspan(part.begin, part.count), rng, context_, cells_);
      contexts_.start(context_, weights_, base_, numbers_);
      packer_.add(context_, cells_, &stage_.statistics, base_.data(), numbers_);
    }
    trainer_.predict(packer_, predicted_);
    for (std::size_t b = 0; b < parts.size(); ++b) {
      const Part& part = parts[b];
      const std::size_t at = b * predicted_.size() / parts.size();
      for (std::size_t k = 0; k < part.count; ++k) scores[part.query].predictions[part.begin + k] = predicted_[at + k];
    }
  }

  const Stage& stage_;
  const AffinityWeights& weights_;
  Trainer& trainer_;
  ContextPacker& packer_;
  std::uint64_t seed_;
  StageContexts contexts_;
  std::vector<Part> parts_;
  thaw::Context context_;
  thaw::ContextCells cells_;
  std::vector<float> base_, numbers_, predicted_, start_;
};

inline std::vector<thaw::UserScores> score_stage(const Stage& stage, const AffinityWeights& weights,
                                                 const std::vector<thaw::Query>& queries, Trainer& trainer,
                                                 ContextPacker& packer, std::uint64_t seed) {
  std::vector<thaw::UserScores> scores;
  StageScorer(stage, weights, trainer, packer, seed).score(queries, scores);
  return scores;
}

}  // namespace hire
