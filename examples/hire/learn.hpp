// Learning: the training loop with progress, checkpoints, Ctrl-C and a watch for numbers that are not finite; and the
// scoring of queries by whatever the recipe trained.
//
//   hire::Recommender model = hire::make_recommender(data, known, recipe, threads);
//   hire::Learned learned = hire::learn(*model.trainer, *model.packer, pack_step, divisor, options);
//   auto scores = hire::score_queries(stage, queries, model);
#pragma once

#include <cmath>
#include <cstdio>
#include <optional>

#include "hire/checkpoint.hpp"
#include "hire/published_stage.hpp"
#include "hire/stage.hpp"
#include "thaw/train/interrupt.hpp"
#include "thaw/train/progress.hpp"

namespace hire {

inline constexpr std::uint64_t kScoringSeed = 7;  // of the contexts in which queries are asked

// The packer as training and scoring need it; the same known ratings give the same one.
inline ContextPacker make_packer(const thaw::Dataset& data, const std::vector<thaw::Rating>& known,
                                 const Recipe& recipe) {
  ContextPacker packer(data);
  if (recipe.least_entities > 0)
    packer.leave_out_rare(thaw::RatingGraph::from_ratings(known, data.users.size(), data.items.size()),
                          recipe.least_entities);
  return packer;
}

// Everything that scores: the network, the start that it corrects, and the packer of its input.
struct Recommender {
  std::unique_ptr<Trainer> trainer;
  AffinityWeights start;
  std::unique_ptr<ContextPacker> packer;

  const Recipe& recipe() const { return trainer->recipe(); }
};

inline Recommender make_recommender(const thaw::Dataset& data, const std::vector<thaw::Rating>& known,
                                    const Recipe& recipe, int threads, const thaw::CommunicatorRef& ranks = {}) {
  Recommender model;
  model.packer = std::make_unique<ContextPacker>(make_packer(data, known, recipe));
  model.trainer = std::make_unique<Trainer>(plan_for(data, model.packer->levels(), recipe), recipe, threads, ranks);
  return model;
}

// The one place outside stage.hpp that says how a context of a stage is packed.
inline void pack_one(const Stage& stage, Recommender& model, std::int32_t target, std::span<const std::int32_t> queries,
                     thaw::Context& context) {
  StageContexts contexts(stage, model.recipe());
  thaw::Philox rng = thaw::context_rng(kScoringSeed, static_cast<std::uint64_t>(target), 0);
  thaw::ContextCells cells;
  std::vector<float> base, numbers;
  contexts.draw(target, queries, rng, context, cells);
  model.packer->clear();
  if (!model.recipe().on_biases) return model.packer->add(context, cells);
  contexts.start(context, model.start, base, numbers);
  model.packer->add(context, cells, &stage.statistics, base.data(), numbers);
}

// Packs the contexts of any training step: rehearsals of the test where the recipe has some, else as published.
class Lessons {
 public:
  // `published`: rehearse the published protocol instead of the leak-free one.
  Lessons(const thaw::Dataset& data, const std::vector<thaw::Rating>& known, const Recipe& recipe,
          std::vector<std::int32_t> published_users = {}, bool published = false)
      : recipe_(recipe) {
    if (recipe.episodes > 0) {
      stages_ = rehearsals(data, known, recipe);
      start_ = AffinityWeights(stages_);
      if (stages_.empty()) return;
      if (published)
        published_rehearsal_ = std::make_unique<PublishedRehearsal>(data, known, start_, recipe);
      else
        rehearsal_ = std::make_unique<Rehearsal>(stages_, start_, recipe);
      return;
    }
    thaw::ColdStartState warm;
    warm.ratings = known;
    if (published_users.empty()) {
      for (const thaw::Rating& r : known) published_users.push_back(r.user);
      std::sort(published_users.begin(), published_users.end());
      published_users.erase(std::unique(published_users.begin(), published_users.end()), published_users.end());
    }
    state_ = PublishedState::make(data, warm, std::move(published_users));
    contexts_ = std::make_unique<PublishedContexts>(state_, recipe);
  }
  Lessons(const Lessons&) = delete;
  Lessons& operator=(const Lessons&) = delete;

  bool empty() const {
    return rehearsal_ == nullptr && published_rehearsal_ == nullptr && (contexts_ == nullptr || state_.users.empty());
  }
  // `ranks`: this one's contexts of the step; together they are those of one process.
  void pack(Index step, ContextPacker& packer, const thaw::CommunicatorRef& ranks = {}) {
    const thaw::Share share = thaw::share_of(contexts_in_step(), ranks.rank(), ranks.size());
    if (rehearsal_)
      rehearsal_->pack_step(step, share, packer);
    else if (published_rehearsal_)
      published_rehearsal_->pack_step(step, static_cast<int>(contexts_in_step()), share, packer);
    else
      pack_published_step(state_, *contexts_, recipe_, step, share, packer);
  }
  // A quarter in published rehearsals: their contexts ask for more.
  Index contexts_in_step() const { return published_rehearsal_ ? recipe_.batch / 4 : recipe_.batch; }
  // What the network starts from; to be handed to what scores with it.
  const AffinityWeights& start() const { return start_; }
  // What to divide the loss of a step by, to get a mean squared error.
  double loss_divisor() const { return rehearsal_ || published_rehearsal_ ? 1 : static_cast<double>(recipe_.batch); }

 private:
  const Recipe& recipe_;
  Stages stages_;
  AffinityWeights start_;
  std::unique_ptr<Rehearsal> rehearsal_;
  std::unique_ptr<PublishedRehearsal> published_rehearsal_;
  PublishedState state_;
  std::unique_ptr<PublishedContexts> contexts_;
};

// The name of the first weight tensor that holds a number that is not finite; empty when all are.
inline std::string first_not_finite(Trainer& trainer) {
  auto& parameters = trainer.parameters();
  for (int i = 0; i < parameters.count(); ++i) {
    // A sum is finite unless one of its parts is not, or it is too large for a weight anyway.
    const auto& value = parameters.slot(i).value;
    double sum = 0;
    for (thaw::Index k = 0; k < value.size(); ++k) sum += std::abs(static_cast<double>(value.data[k]));
    if (!std::isfinite(sum)) return parameters.slot(i).path.text;
  }
  return {};
}

enum class Ending : std::uint8_t { complete, interrupted, failed };

struct LearnOptions {
  std::string checkpoint;  // path; empty: none is written
  thaw::Index checkpoint_every = 100;
  bool resume = false;
  Identity identity;
  std::FILE* stream = stderr;
};

struct Learned {
  Ending ending = Ending::complete;
  std::vector<double> losses;     // one a step
  thaw::Index resumed_at = 0;     // 0: from the start
  thaw::Index checkpoint_at = 0;  // step of the last checkpoint written or read
  int signal = 0;
  thaw::Fault fault;  // of `failed`
};

namespace detail {

// A loss or a weight that is not finite: what the user is told.
inline thaw::Fault not_finite(thaw::Index step, double loss, const std::string& tensor, const Learned& learned,
                              const LearnOptions& options) {
  const std::string where = tensor.empty() ? "all weights are finite: the numbers overflowed on the way to the loss"
                                           : "first in tensor " + tensor;
  std::string kept = "no checkpoint was written before";
  if (learned.checkpoint_at > 0)
    kept = "the checkpoint of step " + std::to_string(learned.checkpoint_at) + " is kept in " + options.checkpoint;
  return thaw::make_fault(thaw::FaultKind::out_of_range, "step ", step, ": the loss is ",
                          std::isfinite(loss) ? loss : std::nan(""), ", numbers are not finite (", where.c_str(), "); ",
                          kept.c_str(), "; try a lower --rate");
}

}  // namespace detail

// Trains up to recipe.steps. `pack(step, packer)` fills the packer; losses are divided by `divisor` for people.
template <class Pack>
Learned learn(Trainer& trainer, ContextPacker& packer, Pack&& pack, double divisor, const LearnOptions& options) {
  Learned learned;
  const auto fail = [&](const thaw::Fault& fault) {
    learned.ending = Ending::failed;
    learned.fault = fault;
    return learned;
  };
  const thaw::CommunicatorRef& ranks = trainer.ranks();
  const bool is_first = ranks.is_first();
  if (options.resume && is_first) {
    const auto loaded = load_checkpoint(options.checkpoint, trainer, learned.losses, options.identity);
    if (!loaded) return fail(loaded.fault());
    learned.resumed_at = learned.checkpoint_at = trainer.steps();
  }
  if (const auto followed = follow_first_rank(trainer, options.identity); !followed) return fail(followed.fault());
  const thaw::Index total = trainer.recipe().steps;
  learned.losses.reserve(static_cast<std::size_t>(total));
  std::optional<thaw::Progress> progress;
  if (is_first)
    progress.emplace(
        thaw::ProgressOptions{.total_steps = total, .first_step = trainer.steps(), .stream = options.stream});
  thaw::InterruptGuard guard;
  // A signal may reach ranks in different steps: all end after the step in which one says so.
  const auto is_ending = [&] { return ranks.is_lone() ? guard.interrupted() : trainer.stopped(); };
  while (trainer.steps() < total && !is_ending()) {
    pack(trainer.steps(), packer);
    const double loss = trainer.step(packer, guard.interrupted()) / divisor;
    const thaw::Index done = trainer.steps();
    // Weights on a device are looked at where they are fetched anyway; meanwhile the loss tells of them.
    const bool is_read =
        trainer.is_home() || !std::isfinite(loss) || done == total || done % options.checkpoint_every == 0;
    const std::string tensor = is_read ? first_not_finite(trainer) : std::string();
    if (!std::isfinite(loss) || !tensor.empty()) return fail(detail::not_finite(done, loss, tensor, learned, options));
    learned.losses.push_back(loss);
    if (progress) progress->step(done, loss);
    const bool is_due = done == total || is_ending() || done % options.checkpoint_every == 0;
    if (options.checkpoint.empty() || !is_due || !is_first) continue;
    const auto saved = save_checkpoint(options.checkpoint, trainer, learned.losses, options.identity);
    if (!saved) return fail(saved.fault());
    learned.checkpoint_at = done;
  }
  learned.signal = guard.interrupted() ? guard.signal_number() : trainer.stopped() ? SIGTERM : 0;
  if (trainer.steps() < total) learned.ending = Ending::interrupted;
  return learned;
}

namespace detail {

// Queries for a network that reads attributes and visible ratings alone.
inline std::vector<thaw::UserScores> score_without_biases(const Stage& stage, const std::vector<thaw::Query>& queries,
                                                          Recommender& model) {
  const Recipe& recipe = model.recipe();
  ContextPacker& packer = *model.packer;
  thaw::ContextSampler sampler(stage.visible,
                               {.users = recipe.users, .items = recipe.items, .most_queries = recipe.items * 5 / 8});
  const auto most = static_cast<std::size_t>(sampler.most_queries());
  thaw::Context context;
  thaw::ContextCells cells;
  std::vector<float> predicted;
  std::vector<thaw::UserScores> scores;
  for (const thaw::Query& query : queries) {
    scores.push_back({query.user, query.items, std::vector<float>(query.items.size()), query.truths});
    for (std::size_t begin = 0; begin < query.items.size(); begin += most) {
      const auto part = std::span(query.items).subspan(begin, (std::min)(most, query.items.size() - begin));
      thaw::Philox rng = thaw::context_rng(kScoringSeed, static_cast<std::uint64_t>(query.user), begin);
      sampler.neighbourhood(query.user, part, rng, context);
      thaw::read_visible_cells(context, stage.visible.by_user, cells);
      packer.clear();
      packer.add(context, cells);
      model.trainer->predict(packer, predicted);
      for (std::size_t k = 0; k < part.size(); ++k) scores.back().predictions[begin + k] = predicted[k];
    }
  }
  return scores;
}

}  // namespace detail

// Predictions for queries over a stage, whatever the recipe: nothing hidden is read.
inline std::vector<thaw::UserScores> score_queries(const Stage& stage, const std::vector<thaw::Query>& queries,
                                                   Recommender& model) {
  return model.recipe().on_biases
             ? score_stage(stage, model.start, queries, *model.trainer, *model.packer, kScoringSeed)
             : detail::score_without_biases(stage, queries, model);
}

}  // namespace hire
