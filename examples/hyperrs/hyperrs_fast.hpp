// FusedHyperLearner: HyperRS, variant paper, with a meta-step that treats a batch of users as matrices.
//
//   hyperrs::FusedHyperLearner learner(world, options, hyperrs::hyper_options(options));
//   double loss = learner.train(episodes);                       // the numbers of HyperLearner, to rounding
//   auto adapted = learner.adapt(user, support, /*steps*/ 1);
//
// Three things make it fast. The scorers of a meta-batch are one product of codes and heads; the heads, their two
// moments and their gradient meet a tile at a time in cache (tiled_heads.hpp); a user's scorer runs without a tape
// (fused_scorer.hpp). Not for inner loops that move the code or the embedding: HyperLearner does those.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "hyperrs/episode_rows.hpp"
#include "hyperrs/fused_scorer.hpp"
#include "hyperrs/hyperrs_options.hpp"
#include "hyperrs/tiled_heads.hpp"
#include "hyperrs/trained_model.hpp"
#include "thaw/optim/parameters.hpp"

namespace hyperrs {

class FusedHyperLearner : public Learner {
 public:
  FusedHyperLearner(const World& world, const LearnerOptions& options, const HyperOptions& hyper)
      : options_(options),
        hyper_(with_contents(hyper, *world.data)),
        objective_(world.objective),
        items_(&world.data->items),
        weights_{&weight_arena_, options.threads},
        context_{&arena_, options.threads},
        scorer_(hyper_.sizes),
        heads_(weight_arena_, hyper_.sizes.interest, scorer_.size(), options.threads) {
    thaw::require(hyper_.sizes.head_slope >= 0 && hyper_.sizes.head_slope <= 1,
                  "FusedHyperLearner: the slope of the heads' LeakyReLU must be from 0 to 1");
    thaw::require(hyper_.moves.scorer && !hyper_.moves.code && !hyper_.moves.embedding,
                  "FusedHyperLearner: only the scorer may move in the inner loop");
    draw();
    for (int t = 0; t < options.threads; ++t) workers_.push_back(std::make_unique<thaw::GrowingArena>());
    const Index users = world.data->users.size(), wide = hyper_.sizes.width + hyper_.sizes.codes;
    trained_.assign(static_cast<std::size_t>(users), 0);
    for (std::int32_t u = 0; u < world.train.user_count(); ++u)
      trained_[static_cast<std::size_t>(u)] = !world.train.by_user.row(u).empty();
    vectors_ = FloatArray::make(weights_, {users, wide});
    thaw::Philox rng(options.seed, 0x75736572);
    for (float& x : vectors_) x = static_cast<float>(rng.uniform(-0.05, 0.05));
    for (auto* moments : {&vector_first_, &vector_second_}) *moments = zeros(vectors_.shape);
    mean_ = zeros({wide});
  }

  std::int64_t parameter_count() const override {
    return thaw::parameter_count(hyperrs_plan(hyper_.sizes, hyper_.start)) + vectors_.size();
  }

  // The users of a batch must be different ones.
  double train(std::span<const thaw::Episode> batch) override {
    batch_.clear();
    for (const auto& episode : batch)
      if (trained(episode.user) && !episode.support.items.empty() && !episode.query.items.empty())
        batch_.push_back(&episode);
    if (batch_.empty()) return 0;
    thaw::ArenaScope scope(arena_);
    const auto users = static_cast<Index>(batch_.size());
    Step step = make_step(users);
    gather(step);
    heads_.generate(arena_, users, step.wide, step.theta);
    each_user(users, [&](thaw::Arena& arena, Index u) { user_step(arena, step, u); });
    ++steps_;
    const auto rule = thaw::AdamStep::at(steps_, hyper_.rate);
    heads_.step(users, step.wide, step.gradient, rule, step.d_wide);
    finish(step, rule);
    double loss = 0;
    for (Index u = 0; u < users; ++u) loss += static_cast<double>(step.loss[u]);
    fresh_ = false;
    return loss;
  }

  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    return std::make_unique<Own>(*this, user, support, steps);
  }

  // The shared weights and the users' rows (users, d + q) as they are now, in the memory of `context`.
  HyperRS<FloatArray> model(Backend::Context& context) const {
    auto out = thaw::map_unnamed<FloatArray>(hyperrs_plan(hyper_.sizes, hyper_.start),
                                             [&](const Spec& s) { return FloatArray::make(context, s.shape); });
    const auto copy = [](const FloatArray& from, const FloatArray& to) {
      std::copy(from.begin(), from.end(), to.data);
    };
    copy(basis(), out.basis.basis);
    for (int x = 0; x < out.contents.count; ++x)
      copy(dense_[static_cast<std::size_t>(x) + 1].value, out.contents[x].table);
    heads_.store(out.heads);
    return out;
  }
  const FloatArray& user_rows() const { return vectors_; }
  // Takes over shared weights of the same sizes; moments and the users' rows stay.
  void load(const HyperRS<FloatArray>& model) {
    const auto copy = [](const FloatArray& from, const FloatArray& to) {
      thaw::require(from.shape == to.shape, "FusedHyperLearner: weights of shape ", from.shape, ", expected ",
                    to.shape);
      std::copy(from.begin(), from.end(), to.data);
    };
    copy(model.basis.basis, basis());
    for (int x = 0; x < model.contents.count; ++x)
      copy(model.contents[x].table, dense_[static_cast<std::size_t>(x) + 1].value);
    heads_.load(model.heads);
    fresh_ = false;
  }

 private:
  // Of one meta-step; a row a user.
  struct Step {
    Index users;
    float *codes, *wide, *d_wide, *d_user;  // (users, q), (users, p) twice, (users, d)
    float *theta, *gradient, *loss;         // (users, stride) twice, (users)
    Rows *support, *query;                  // and the gradients of what they read, (rows, d) an attribute
    FusedGradients<float>*of_support, *of_query;
  };
  // A scorer of her own and what adapting it needs, in one block of memory.
  class Own : public Adapted {
   public:
    Own(const FusedHyperLearner& learner, std::int32_t user, const thaw::Episode::Part& support, int steps)
        : learner_(learner), arena_(learner.bytes_of_own(support)) {
      theta_ = arena_.take<float>(learner.heads_.stride());
      user_ = arena_.take<float>(learner.hyper_.sizes.width);
      thaw::ArenaScope scope(arena_);
      const float *row = learner.mean_.data, *from = theta_;
      if (learner.trained(user)) {
        row = learner.vectors_.data + user * learner.vectors_.shape[1];
        learner.make_scorer(row, theta_, arena_);
      } else {
        from = learner.start_of_new_users();
      }
      std::copy_n(row, learner.hyper_.sizes.width, user_);
      const Rows rows = rows_of(support, learner.objective_, arena_);
      if (rows.count > 0 && steps > 0) {
        auto* gradient = arena_.take<float>(learner.scorer_.size());
        const auto items = learner.read(rows.span(), rows.labels, arena_);
        for (int s = 0; s < steps; ++s, from = theta_) {
          learner.scorer_.gradient(arena_, from, user_, items, 1, {.theta = gradient});
          learner.descend(from, gradient, theta_);
        }
      }
      if (from != theta_) std::copy_n(from, learner.scorer_.size(), theta_);
    }
    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
#if defined(_OPENMP)
      const int threads = learner_.options_.threads;
      const auto work = 2 * items.size() * static_cast<std::size_t>(learner_.scorer_.size());
      if (threads > 1 && work >= kLeastWork) {
        const auto many = static_cast<std::size_t>(threads);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
        for (std::size_t t = 0; t < many; ++t)
          score_part(items, items.size() * t / many, items.size() * (t + 1) / many, out);
        return;
      }
#endif
      score_part(items, 0, items.size(), out);
    }
    std::vector<std::span<const float>> attribute_kernels() const override {
      std::vector<std::span<const float>> kernels;
      for (int x = 0; x < learner_.scorer_.attributes(); ++x) kernels.push_back(learner_.scorer_.kernel(x, theta_));
      return kernels;
    }

   private:
    static constexpr std::size_t kLeastWork = 4000000;  // operations that a second thread pays for
    void score_part(std::span<const std::int32_t> items, std::size_t first, std::size_t last,
                    std::span<float> out) const {
      constexpr std::size_t kBlock = 128;  // whose activations stay in the second-level cache
      thaw::GrowingArena arena;
      for (std::size_t begin = first; begin < last; begin += kBlock) {
        thaw::ArenaScope scope(arena);
        const std::size_t count = (std::min)(kBlock, last - begin);
        const auto part = learner_.read(items.subspan(begin, count), nullptr, arena);
        learner_.scorer_.score(arena, theta_, user_, part, out.data() + begin);
      }
    }

    const FusedHyperLearner& learner_;
    thaw::GrowingArena arena_;
    float *theta_, *user_;
  };

  FloatArray zeros(const thaw::Shape& shape) {
    const auto out = FloatArray::make(weights_, shape);
    std::fill(out.begin(), out.end(), 0.0F);
    return out;
  }
  // The weights that HyperLearner starts from.
  void draw() {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    thaw::Parameters<HyperRS<Spec>, float, Backend> drawn(hyperrs_plan(hyper_.sizes, hyper_.start), context,
                                                          options_.seed);
    const auto model = drawn.values();
    heads_.load(model.heads);
    dense_.push_back(dense(model.basis.basis));
    for (int x = 0; x < model.contents.count; ++x) dense_.push_back(dense(model.contents[x].table));
  }
  struct Dense {
    FloatArray value, gradient, first, second;
  };
  Dense dense(const FloatArray& like) {
    Dense out{zeros(like.shape), zeros(like.shape), zeros(like.shape), zeros(like.shape)};
    std::copy(like.begin(), like.end(), out.value.begin());
    return out;
  }
  const FloatArray& basis() const { return dense_[0].value; }
  bool trained(std::int32_t user) const {
    return user >= 0 && static_cast<std::size_t>(user) < trained_.size() && trained_[static_cast<std::size_t>(user)];
  }
  // The scorer that every new user starts from, that of the trained users' mean. The first who asks after a training
  // step makes it; adapting a new user then reads her ratings and no head. Safe from many threads.
  const float* start_of_new_users() const {
    if (fresh_.load(std::memory_order_acquire)) return start_.data();
    const std::lock_guard<std::mutex> lock(start_mutex_);
    if (fresh_.load(std::memory_order_relaxed)) return start_.data();
    mean_into(mean_.data);
    start_.resize(static_cast<std::size_t>(heads_.stride()));
    thaw::GrowingArena arena;
    make_scorer(mean_.data, start_.data(), arena);
    fresh_.store(true, std::memory_order_release);
    return start_.data();
  }
  // Room for a scorer, its gradient, and what `support` makes of activations: forward, backward, inputs.
  std::size_t bytes_of_own(const thaw::Episode::Part& support) const {
    const auto rows = static_cast<Index>(support.items.size() + support.negatives.size());
    const Index d = hyper_.sizes.width, activations = (4 * hyper_.sizes.attributes + 8) * d + 16;
    const Index numbers = 2 * heads_.stride() + 3 * vectors_.shape[1] + hyper_.sizes.interest + rows * activations;
    return static_cast<std::size_t>(numbers) * sizeof(float) + (std::size_t(1) << 18);
  }
  void mean_into(float* out) const {
    float count = 0;
    std::fill(out, out + vectors_.shape[1], 0.0F);
    for (std::size_t u = 0; u < trained_.size(); ++u) {
      if (!trained_[u]) continue;
      ++count;
      thaw::axpy(weights_.isa, vectors_.shape[1], 1.0F, vectors_.data + static_cast<Index>(u) * vectors_.shape[1], out);
    }
    for (Index j = 0; j < vectors_.shape[1]; ++j) out[j] /= (std::max)(1.0F, count);
  }

  static void product(thaw::Arena& arena, const thaw::ProductShape& s, const float* a, const float* b, float* c) {
    thaw::ArenaScope scope(arena);
    void* scratch = arena.take_bytes(thaw::product_scratch_bytes<float>(s));
    thaw::product(thaw::detect_isa(), s, a, b, c, static_cast<const float*>(nullptr), scratch);
  }
  void activate(float* theta) const {
    thaw::map(weights_.isa, scorer_.size(), theta, theta,
              LeakyHead<float>{static_cast<float>(hyper_.sizes.head_slope)});
  }
  void descend(const float* from, const float* gradient, float* to) const {
    thaw::zip(weights_.isa, scorer_.size(), from, gradient, to, Descent{static_cast<float>(hyper_.inner_rate)});
  }
  // `row`: embedding and code of a user.
  void make_scorer(const float* row, float* theta, thaw::Arena& arena) const {
    const HyperSizes& z = hyper_.sizes;
    auto* wide = arena.take<float>(z.interest);
    product(arena, thaw::row_major_product(1, z.interest, z.codes), row + z.width, basis().data, wide);
    heads_.generate(arena, 1, wide, theta);
    activate(theta);
  }
  // Sums of content rows, an attribute at a time.
  FusedItems<float> read(std::span<const std::int32_t> items, const float* labels, thaw::Arena& arena) const {
    FusedItems<float> out;
    out.count = static_cast<Index>(items.size());
    out.labels = labels;
    const Index d = hyper_.sizes.width;
    for (int x = 0; x < hyper_.sizes.attributes; ++x) {
      auto* raw = arena.take<float>(out.count * d);
      std::fill(raw, raw + out.count * d, 0.0F);
      const float* table = dense_[static_cast<std::size_t>(x) + 1].value.data;
      each_value(x, items, [&](Index i, std::int32_t value) {
        thaw::axpy(weights_.isa, d, 1.0F, table + value * d, raw + i * d);
      });
      out.raw[x] = raw;
    }
    return out;
  }
  template <class Fn>
  void each_value(int attribute, std::span<const std::int32_t> items, const Fn& fn) const {
    const thaw::Attribute& values = items_->attributes[static_cast<std::size_t>(attribute)];
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i] < 0 || items[i] >= items_->size()) continue;
      for (const std::int32_t value : values.of(items[i])) fn(static_cast<Index>(i), value);
    }
  }

  Step make_step(Index users) {
    const HyperSizes& z = hyper_.sizes;
    const auto take = [&](Index n) { return arena_.take<float>(users * n); };
    const auto shapes = [&](const thaw::Episode::Part& part, Rows& rows) {
      rows = rows_of(part, objective_, arena_);
      FusedGradients<float> g;
      g.inputs = true;
      for (int x = 0; x < z.attributes; ++x) {
        g.raw[x] = arena_.take<float>(rows.count * z.width);
        std::fill(g.raw[x], g.raw[x] + rows.count * z.width, 0.0F);
      }
      return g;
    };
    Step s{};
    s.users = users;
    s.codes = take(z.codes), s.wide = take(z.interest), s.d_wide = take(z.interest), s.d_user = take(z.width);
    s.theta = take(heads_.stride()), s.gradient = take(heads_.stride()), s.loss = take(1);
    s.support = arena_.take<Rows>(users), s.query = arena_.take<Rows>(users);
    s.of_support = arena_.take<FusedGradients<float>>(users), s.of_query = arena_.take<FusedGradients<float>>(users);
    std::fill(s.d_user, s.d_user + users * z.width, 0.0F);
    for (Index u = 0; u < users; ++u) {
      const thaw::Episode& e = *batch_[static_cast<std::size_t>(u)];
      s.of_support[u] = shapes(e.support, s.support[u]);
      s.of_query[u] = shapes(e.query, s.query[u]);
      s.of_support[u].user = s.of_query[u].user = s.d_user + u * z.width;
    }
    return s;
  }
  void gather(const Step& s) {
    const HyperSizes& z = hyper_.sizes;
    for (Index u = 0; u < s.users; ++u) {
      const float* row = vectors_.data + batch_[static_cast<std::size_t>(u)]->user * vectors_.shape[1];
      std::copy_n(row + z.width, z.codes, s.codes + u * z.codes);
    }
    product(arena_, thaw::row_major_product(s.users, z.interest, z.codes), s.codes, basis().data, s.wide);
  }
  // One user's gradient of theta before its activation; her scorer and its gradient stay in the second-level cache.
  void user_step(thaw::Arena& arena, const Step& s, Index u) const {
    thaw::ArenaScope scope(arena);
    const Index size = scorer_.size();
    const int steps = options_.inner_steps;
    const float* user = vectors_.data + batch_[static_cast<std::size_t>(u)]->user * vectors_.shape[1];
    const auto share = 1 / static_cast<float>(s.users);
    const auto seen = read(s.support[u].span(), s.support[u].labels, arena);
    const auto asked = read(s.query[u].span(), s.query[u].labels, arena);
    float* g = s.gradient + u * heads_.stride();
    auto** theta = arena.take<float*>(steps + 1);
    theta[0] = s.theta + u * heads_.stride();
    activate(theta[0]);
    for (int k = 0; k < steps; ++k) {
      theta[k + 1] = options_.first_order && k > 0 ? theta[k] : arena.take<float>(size);
      scorer_.gradient(arena, theta[k], user, seen, 1, {.theta = g});
      descend(theta[k], g, theta[k + 1]);
    }
    FusedGradients<float> to = s.of_query[u];
    to.theta = g;
    s.loss[u] = scorer_.gradient(arena, theta[steps], user, asked, share, to);
    if (!options_.first_order && steps > 0) {
      to = s.of_support[u];
      to.theta = arena.take<float>(size);
      through_steps(arena, theta, user, seen, to, g);
    }
    const auto slope = static_cast<float>(hyper_.sizes.head_slope);
    thaw::zip(weights_.isa, size, theta[0], g, g, LeakySlope{slope, 1 - slope});
    std::fill(g + size, g + heads_.padded(), 0.0F);
  }
  // g, the gradient after the inner steps, becomes that before them. Along -rate g the derivatives of an inner
  // gradient are what the step adds to every gradient.
  void through_steps(thaw::Arena& arena, float** theta, const float* user, const FusedItems<float>& seen,
                     const FusedGradients<float>& to, float* g) const {
    auto* direction = arena.take<float>(scorer_.size());
    for (int k = options_.inner_steps - 1; k >= 0; --k) {
      thaw::affine(weights_.isa, scorer_.size(), -static_cast<float>(hyper_.inner_rate), 0.0F, g, direction);
      scorer_.curvature(arena, theta[k], direction, user, seen, 1, to);
      thaw::zip(weights_.isa, scorer_.size(), g, to.theta, g, Descent{-1});
    }
  }

  // Everything but the heads.
  void finish(const Step& s, const thaw::AdamStep& rule) {
    const HyperSizes& z = hyper_.sizes;
    auto* d_codes = arena_.take<float>(s.users * z.codes);
    auto shape = thaw::row_major_product(s.users, z.codes, z.interest);
    shape.b_inner_stride = 1, shape.b_column_stride = z.interest;
    product(arena_, shape, s.d_wide, basis().data, d_codes);
    shape = thaw::row_major_product(z.codes, z.interest, s.users);
    shape.a_row_stride = 1, shape.a_inner_stride = z.codes;
    product(arena_, shape, s.codes, s.d_wide, dense_[0].gradient.data);
    for (int x = 0; x < z.attributes; ++x) {
      const FloatArray& to = dense_[static_cast<std::size_t>(x) + 1].gradient;
      std::fill(to.begin(), to.end(), 0.0F);
      for (Index u = 0; u < s.users; ++u) {
        scatter(x, s.query[u], s.of_query[u].raw[x], to);
        if (!options_.first_order && options_.inner_steps > 0) scatter(x, s.support[u], s.of_support[u].raw[x], to);
      }
    }
    for (Dense& d : dense_)
      each_part(d.value.size(), [&](Index at, Index count) {
        head_adam(weights_.isa, count, rule, d.gradient.data + at, d.value.data + at, d.first.data + at,
                  d.second.data + at);
      });
    auto* row = arena_.take<float>(vectors_.shape[1]);
    for (Index u = 0; u < s.users; ++u) {
      std::copy_n(s.d_user + u * z.width, z.width, row);
      std::copy_n(d_codes + u * z.codes, z.codes, row + z.width);
      const Index at = batch_[static_cast<std::size_t>(u)]->user * vectors_.shape[1];
      Backend::adam(context_, vectors_.shape[1], rule, row, vector_first_.data + at, vector_second_.data + at,
                    vectors_.data + at);
    }
  }
  void scatter(int attribute, const Rows& rows, const float* d_raw, const FloatArray& to) const {
    const Index d = hyper_.sizes.width;
    each_value(attribute, rows.span(), [&](Index i, std::int32_t value) {
      thaw::axpy(weights_.isa, d, 1.0F, d_raw + i * d, to.data + value * d);
    });
  }

  // work(begin, count) over n numbers, a part a thread.
  template <class Work>
  void each_part(Index n, const Work& work) const {
    constexpr Index kLine = 16;
    const Index lines = (n + kLine - 1) / kLine, threads = options_.threads;
    const auto part = [&](Index t) {
      const Index begin = lines * t / threads * kLine, end = (std::min)(n, lines * (t + 1) / threads * kLine);
      work(begin, end - begin);
    };
#if defined(_OPENMP)
    if (threads > 1 && n >= kLeastForThreads) {
#pragma omp parallel for schedule(static, 1) num_threads(options_.threads)
      for (Index t = 0; t < threads; ++t) part(t);
      return;
    }
#endif
    for (Index t = 0; t < threads; ++t) part(t);
  }
  // work(arena, user), each user by one thread; users share nothing. Afterwards every thread has room for the largest
  // user that any has seen, so that chance does not decide when the last one grows.
  template <class Work>
  void each_user(Index users, const Work& work) {
#if defined(_OPENMP)
    if (options_.threads > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(options_.threads)
      for (Index u = 0; u < users; ++u) work(*workers_[static_cast<std::size_t>(omp_get_thread_num())], u);
      std::size_t most = 0;
      for (const auto& worker : workers_) most = (std::max)(most, worker->peak());
      for (const auto& worker : workers_) worker->reserve(most);
      return;
    }
#endif
    for (Index u = 0; u < users; ++u) work(*workers_[0], u);
  }

  struct Descent {
    float rate;
    template <class V>
    THAW_ALWAYS_INLINE V value(V from, V gradient) const {
      return from - V(rate) * gradient;
    }
  };
  struct LeakySlope {
    float slope, rest;
    template <class V>
    THAW_ALWAYS_INLINE V value(V made, V gradient) const {
      const V open = made > V(0) ? gradient : V(0);
      return V(slope) * gradient + V(rest) * open;
    }
  };

  static constexpr Index kLeastForThreads = Index(1) << 15;  // numbers of an update that a second thread pays for

  LearnerOptions options_;
  HyperOptions hyper_;
  Objective objective_;
  const thaw::Entities* items_;
  thaw::GrowingArena weight_arena_, arena_;
  Backend::Context weights_, context_;
  FusedScorer<float> scorer_;
  TiledHeads<float> heads_;
  std::vector<Dense> dense_;                                  // basis, then contents
  FloatArray vectors_, vector_first_, vector_second_, mean_;  // (users, d + q); (d + q)
  std::vector<std::uint8_t> trained_;
  std::vector<const thaw::Episode*> batch_;
  std::vector<std::unique_ptr<thaw::GrowingArena>> workers_;
  mutable std::mutex start_mutex_;
  mutable std::vector<float> start_;  // theta of a new user
  mutable std::atomic<bool> fresh_{false};
  std::int64_t steps_ = 0;
};

}  // namespace hyperrs
