// The HyperRS learner, recorded on a tape: Algorithm 1 with exact second order for any inner loop; and make_hyperrs.
//
//   std::unique_ptr<hyperrs::Learner> learner = hyperrs::make_hyperrs(world, options);
//
// make_hyperrs takes the same learner without a tape (hyperrs_fast.hpp) for `paper`, or one that a device trains
// (device_learner.hpp; the program ends where it cannot be opened), and one of its own for `best`.
// Training follows the paper where its released program does not: the moved scorer is the one that answers the query,
// the embeddings belong to the outer loop, updates of the inner loop are functional, so that nothing of one user
// reaches another, and labels are graded where the objective is. The outer gradient also moves the users' codes. A user
// who was not trained starts from the mean of all trained users' vectors.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "hyperrs/device_learner.hpp"
#include "hyperrs/episode_rows.hpp"
#include "hyperrs/hyperrs_best_learner.hpp"
#include "hyperrs/hyperrs_fast.hpp"
#include "hyperrs/hyperrs_options.hpp"
#include "thaw/optim/low_rank_step.hpp"

namespace hyperrs {

class HyperLearner : public Learner {
 public:
  HyperLearner(const World& world, const LearnerOptions& options, const HyperOptions& hyper)
      : options_(options),
        hyper_(with_contents(hyper, *world.data)),
        objective_(world.objective),
        items_(&world.data->items),
        weights_{&weight_arena_, options.threads},
        context_{&arena_, options.threads},
        tape_(context_) {
    const auto plan = hyperrs_plan(hyper_.sizes, hyper_.start);
    thaw::Parameters<HyperRS<Spec>, float, Backend> drawn(plan, weights_, options.seed);
    model_ = drawn.values();
    sum_ = zeros_like(model_);
    first_ = zeros_like(model_);
    second_ = zeros_like(model_);
    for (int i = 0; i < model_.heads.heads.count; ++i) {
      matrices_[i] = model_.heads.heads[i].matrix;
      adam_[i] = {weights_, matrices_[i].shape};
    }
    const Index users = world.data->users.size(), wide = hyper_.sizes.width + hyper_.sizes.codes;
    trained_.assign(static_cast<std::size_t>(users), 0);
    for (std::int32_t u = 0; u < world.train.user_count(); ++u)
      trained_[static_cast<std::size_t>(u)] = !world.train.by_user.row(u).empty();
    vectors_ = FloatArray::make(weights_, {users, wide});
    thaw::Philox rng(options.seed, 0x75736572);
    for (float& x : vectors_) x = static_cast<float>(rng.uniform(-0.05, 0.05));
    for (auto* moments : {&vector_first_, &vector_second_}) {
      *moments = FloatArray::make(weights_, vectors_.shape);
      std::fill(moments->begin(), moments->end(), 0.0F);
    }
    mean_vector_ = FloatArray::make(weights_, {1, wide});
    refresh();
  }

  std::int64_t parameter_count() const override { return thaw::parameter_count(model_) + vectors_.size(); }

  double train(std::span<const thaw::Episode> batch) override {
    std::vector<const thaw::Episode*> usable;
    for (const auto& episode : batch)
      if (trained(episode.user) && !episode.support.items.empty() && !episode.query.items.empty())
        usable.push_back(&episode);
    if (usable.empty()) return 0;
    make_room(static_cast<Index>(usable.size()));
    thaw::for_each_unnamed([](const FloatArray& a) { std::fill(a.begin(), a.end(), 0.0F); }, sum_);
    ++steps_;
    double loss = 0;
    const double share = 1 / static_cast<double>(usable.size());
    for (const auto* episode : usable) loss += share * add_gradient(*episode, share);
    step();
    refresh();
    return loss;
  }

  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    auto out = std::make_unique<OwnScorer>(*this);
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    const FastUser<FloatArray> start = fast_start(vectors_of(user, context), context);
    out->keep(support.items.empty() ? start : descended(start, support, steps, context), context);
    return out;
  }

 private:
  // A scorer of her own: vectors and moves, on top of the learner's weights.
  class OwnScorer : public Adapted {
   public:
    explicit OwnScorer(const HyperLearner& learner) : learner_(learner) {}
    void keep(const FastUser<FloatArray>& fast, Backend::Context& scratch) {
      const auto copy = [&](const FloatArray& a) {
        const auto out = FloatArray::make(context_, a.shape);
        std::copy(a.begin(), a.end(), out.begin());
        return out;
      };
      user_ = {copy(fast.user.embedding), copy(fast.user.code)};
      const auto made = fast_scorer(learner_.on(scratch), fast);
      scorer_ = thaw::map_unnamed<FloatArray>(made, copy);
    }
    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      thaw::GrowingArena arena;
      Backend::Context context{&arena, 1};
      const auto here = [&](const FloatArray& a) { return thaw::on<Backend>(context, a); };
      const auto scorer = thaw::map_unnamed<FloatArray>(scorer_, here);
      const auto scores = learner_.on(context).score(scorer, here(user_.embedding), learner_.contents(items, arena));
      std::copy(scores.begin(), scores.end(), out.begin());
    }
    std::vector<std::span<const float>> attribute_kernels() const override {
      std::vector<std::span<const float>> kernels;
      for (int x = 0; x < scorer_.attributes.count; ++x) {
        const FloatArray& kernel = scorer_.attributes[x].weight;
        kernels.emplace_back(kernel.begin(), kernel.end());
      }
      return kernels;
    }

   private:
    const HyperLearner& learner_;
    thaw::GrowingArena arena_;
    Backend::Context context_{&arena_, 1};
    UserVectors<FloatArray> user_;
    GeneratedScorer<FloatArray> scorer_;
  };

  HyperRS<FloatArray> zeros_like(const HyperRS<FloatArray>& like) {
    const auto is_matrix = [&](const FloatArray& a) {
      for (int i = 0; i < like.heads.heads.count; ++i)
        if (like.heads.heads[i].matrix.data == a.data) return true;
      return false;
    };
    return thaw::map_unnamed<FloatArray>(like, [&](const FloatArray& a) {
      if (is_matrix(a)) return FloatArray::make(weights_, {0});  // heads have their own moments
      const auto out = FloatArray::make(weights_, a.shape);
      std::fill(out.begin(), out.end(), 0.0F);
      return out;
    });
  }
  // Values that the inner loop may make of a head's product: forward and backward for each step, and the query's.
  void make_room(Index users) {
    const Index terms = users * (2 * options_.inner_steps + 2);
    if (terms <= room_) return;
    room_ = terms;
    for (int i = 0; i < model_.heads.heads.count; ++i) factors_[i] = {weights_, matrices_[i].shape, terms};
  }
  bool trained(std::int32_t user) const {
    return user >= 0 && static_cast<std::size_t>(user) < trained_.size() && trained_[static_cast<std::size_t>(user)];
  }
  HyperRS<FloatArray> on(Backend::Context& context) const {
    return thaw::map_unnamed<FloatArray>(model_, [&](const FloatArray& a) { return thaw::on<Backend>(context, a); });
  }
  ItemContents contents(std::span<const std::int32_t> items, thaw::Arena& arena) const {
    ItemContents out;
    out.count = static_cast<Index>(items.size());
    for (int x = 0; x < hyper_.sizes.attributes; ++x) out.of[x] = attribute_bags(*items_, x, items, false, arena);
    return out;
  }

  // A trained user's own vectors; the mean of all for anyone else.
  UserVectors<FloatArray> vectors_of(std::int32_t user, Backend::Context& context) const {
    const float* row = trained(user) ? vectors_.data + user * vectors_.shape[1] : mean_vector_.data;
    return {FloatArray::view(context, row, {1, hyper_.sizes.width}),
            FloatArray::view(context, row + hyper_.sizes.width, {1, hyper_.sizes.codes})};
  }
  FastUser<FloatArray> fast_start(const UserVectors<FloatArray>& user, Backend::Context& context) const {
    return {user, thaw::map_unnamed<FloatArray>(scorer_plan(hyper_.sizes), [&](const Spec& s) {
              const auto zero = FloatArray::make(context, s.shape);
              std::fill(zero.begin(), zero.end(), 0.0F);
              return zero;
            })};
  }

  template <class Model>
  FloatVar loss_of(const Model& model, const GeneratedScorer<FloatVar>& scorer, const FloatVar& user,
                   const thaw::Episode::Part& part, thaw::Arena& arena) const {
    const Rows rows = rows_of(part, objective_, arena);
    const auto labels = FloatArray::view(*user.context, rows.labels, {rows.count});
    return thaw::mse(model.score(scorer, user, contents(rows.span(), arena)), labels);
  }
  // What the moves leave alone keeps its value.
  template <class G>
  void move(FastUser<FloatVar>& fast, const G& g) const {
    const double rate = hyper_.inner_rate;
    if (hyper_.moves.scorer) fast.moved = thaw::descend(fast.moved, g.moved, rate);
    if (hyper_.moves.code) fast.user.code = thaw::sub(fast.user.code, thaw::scale(g.user.code, rate));
    if (hyper_.moves.embedding)
      fast.user.embedding = thaw::sub(fast.user.embedding, thaw::scale(g.user.embedding, rate));
  }
  // The scorer after the inner loop. Where the code stays it is generated once.
  GeneratedScorer<FloatVar> adapted_scorer(const HyperRS<FloatVar>& model, FastUser<FloatVar>& fast,
                                           const thaw::Episode::Part& support, thaw::Arena& arena) const {
    GeneratedScorer<FloatVar> scorer = fast_scorer(model, fast);
    for (int step = 0; step < options_.inner_steps; ++step) {
      const FloatVar loss = loss_of(model, scorer, fast.user.embedding, support, arena);
      if (hyper_.moves.code || hyper_.moves.embedding) {
        if (options_.first_order)
          move(fast, thaw::gradient(loss, fast));
        else
          move(fast, thaw::gradient(loss, fast, thaw::differentiable));
        scorer = fast_scorer(model, fast);
      } else if (hyper_.moves.scorer) {
        scorer = options_.first_order
                     ? thaw::descend(scorer, thaw::gradient(loss, scorer), hyper_.inner_rate)
                     : thaw::descend(scorer, thaw::gradient(loss, scorer, thaw::differentiable), hyper_.inner_rate);
      }
    }
    return scorer;
  }

  // The gradient of one user's query loss through the inner loop: into sum_, the factors, and her own row at once.
  double add_gradient(const thaw::Episode& episode, double share) {
    thaw::Scope scope(tape_);
    thaw::Arena& arena = tape_.arena();
    std::vector<FloatVar> wanted;
    int head = 0;
    const HyperRS<FloatVar> model = thaw::map_unnamed<FloatVar>(model_, [&](const FloatArray& a) {
      if (head < model_.heads.heads.count && a.data == matrices_[head].data) {
        ++head;
        return tape_.constant(a);
      }
      return wanted.emplace_back(tape_.leaf(a));
    });
    const UserVectors<FloatArray> own = vectors_of(episode.user, context_);
    FastUser<FloatVar> fast;
    fast.user = {tape_.leaf(own.embedding), tape_.leaf(own.code)};
    wanted.push_back(fast.user.embedding);
    wanted.push_back(fast.user.code);
    fast.moved = thaw::map_unnamed<FloatVar>(fast_start(own, context_).moved,
                                             [&](const FloatArray& a) { return tape_.leaf(a); });
    const auto scorer = adapted_scorer(model, fast, episode.support, arena);
    const FloatVar loss = loss_of(model, scorer, fast.user.embedding, episode.query, arena);
    std::vector<FloatArray> out(wanted.size());
    thaw::low_rank_sweep<float, Backend>(loss, {wanted.data(), static_cast<int>(wanted.size()), out.data()},
                                         {matrices_, model_.heads.heads.count, factors_, share});
    std::size_t at = 0;
    thaw::for_each_unnamed(
        [&](const FloatArray& to) {
          if (to.size() == 0) return;
          const FloatArray& g = out[at++];
          Backend::add_scaled(context_, to.size(), 1.0F, to.data, static_cast<float>(share), g.data, to.data);
        },
        sum_);
    step_user(episode.user, out[at], out[at + 1], share);
    return static_cast<double>(loss.item());
  }
  // Her row is read by nobody else in the meta-batch, so it may move before the others are done. Moments of a row rest
  // while it is not touched.
  void step_user(std::int32_t user, const FloatArray& d_embedding, const FloatArray& d_code, double share) {
    std::vector<float> g(d_embedding.begin(), d_embedding.end());
    g.insert(g.end(), d_code.begin(), d_code.end());
    for (float& x : g) x *= static_cast<float>(share);
    const Index at = user * vectors_.shape[1];
    Backend::adam(context_, vectors_.shape[1], thaw::AdamStep::at(steps_, hyper_.rate), g.data(),
                  vector_first_.data + at, vector_second_.data + at, vectors_.data + at);
  }
  void step() {
    const auto rule = thaw::AdamStep::at(steps_, hyper_.rate);
    thaw::for_each_unnamed(
        [&](const FloatArray& to, const FloatArray& g, const FloatArray& first, const FloatArray& second) {
          if (g.size() > 0) Backend::adam(context_, to.size(), rule, g.data, first.data, second.data, to.data);
        },
        model_, sum_, first_, second_);
    for (int i = 0; i < model_.heads.heads.count; ++i) {
      adam_[i].step(context_, factors_[i], matrices_[i], hyper_.rate);
      factors_[i].clear();
    }
  }
  void refresh() {
    std::fill(mean_vector_.begin(), mean_vector_.end(), 0.0F);
    float count = 0;
    for (std::size_t u = 0; u < trained_.size(); ++u) {
      if (!trained_[u]) continue;
      ++count;
      for (Index j = 0; j < mean_vector_.size(); ++j)
        mean_vector_[j] += vectors_[static_cast<Index>(u) * mean_vector_.size() + j];
    }
    for (float& x : mean_vector_) x /= (std::max)(1.0F, count);
  }

  // Inner steps without an outer gradient. The result lives in the context's arena.
  FastUser<FloatArray> descended(FastUser<FloatArray> fast, const thaw::Episode::Part& support, int steps,
                                 Backend::Context& context) const {
    const auto plain = on(context);
    for (int step = 0; step < steps; ++step) {
      thaw::Tape<float, Backend> tape(context);
      const auto model = thaw::map_unnamed<FloatVar>(plain, [&](const FloatArray& a) { return tape.constant(a); });
      auto now = thaw::map_unnamed<FloatVar>(fast, [&](const FloatArray& a) { return tape.leaf(a); });
      const FloatVar loss = loss_of(model, fast_scorer(model, now), now.user.embedding, support, *context.arena);
      if (loss.node == nullptr) break;
      move(now, thaw::gradient(loss, now));
      fast = thaw::map_unnamed<FloatArray>(now, [](const FloatVar& v) { return v.array(); });
    }
    return fast;
  }

  LearnerOptions options_;
  HyperOptions hyper_;
  Objective objective_;
  const thaw::Entities* items_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  thaw::Tape<float, Backend> tape_;
  HyperRS<FloatArray> model_, sum_, first_, second_;
  FloatArray matrices_[thaw::Hypernetwork<Spec>::kMaxHeads];
  thaw::LowRankGradient<float, Backend> factors_[thaw::Hypernetwork<Spec>::kMaxHeads];
  thaw::LowRankAdam<float, Backend> adam_[thaw::Hypernetwork<Spec>::kMaxHeads];
  Index room_ = 0;
  FloatArray vectors_, vector_first_, vector_second_, mean_vector_;  // (users, d + q); (1, d + q)
  std::vector<std::uint8_t> trained_;
  std::int64_t steps_ = 0;
};

inline std::unique_ptr<Learner> make_hyperrs(const World& world, const LearnerOptions& options) {
  if (options.variant == Variant::best) {
    BestOptions best;
    best.codes = best.width = options.width;
    best.interest = 2 * options.width;
    best.evidence.threads = options.threads;
    return std::make_unique<BlendLearner>(world, options, best);
  }
  if (options.on_cuda) {
    auto learner = make_device_hyperrs(world, options);
    if (!learner) thaw::stop(learner.fault());
    return std::move(learner.value());
  }
  return std::make_unique<FusedHyperLearner>(world, options, hyper_options(options));
}

}  // namespace hyperrs
