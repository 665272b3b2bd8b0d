// s2Meta (Du et al., KDD 2019): learns where a recommender's weights start, how each is moved, and when to stop.
//
//   auto learner = hyperrs::make_s2meta(world, options);
//   double loss = learner->train(episodes);
//   auto adapted = learner->adapt(user, support, /*steps*/ -1);    // the controller decides, as in training
//
//   theta <- f * theta - i * clamp(dL_support / dtheta, -1, 1)     (i, f) from an LSTM over each coordinate
//   meta loss = L_query(theta_T) + sum_t -log(1 - p_t) [L_query(theta_t) - L_query(theta_T)]
//
// The paper's task is a scenario with many users; here one user is one task. Step t pairs support item i with negative
// i + t (from the front again), so the loss needs no draws. The recommender reads a pre-trained user and item vector
// (matrix_factors.hpp: BPR on the training records), both fixed. A new user has none: every user, in training too,
// gets the mean of her support items' vectors. An item without training records has a zero vector under `paper` (they
// tie) and one from its attributes under `best`. Without support or its negatives theta stays at its start.
//
// `steps` is the most steps, a negative number as many as in training: 20 under `paper`, 8 under `best`, or
// options.inner_steps where that is above 1. The controller may stop earlier, from the fifth on. Its coin is keyed by
// the seed and the support, so that evaluating twice gives the same. `paper`: the published sizes and rates. `best`:
// vectors of options.width, a recommender that shrinks with it, rates ten times larger. Ranks; predicts no ratings.
// Mended: the LSTM's forget bias is on its forget gate; no learning rate schedule that follows the test metric; the
// controller reads gradients and loss only (its other input never ran). Constant rates in place of the schedule.
// One `paper` task of 20 steps records LSTMs over 10,881 coordinates: 0.9 GB while it trains, little when it adapts.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "hyperrs/matrix_factors.hpp"
#include "hyperrs/s2meta_network.hpp"
#include "hyperrs/trained_model.hpp"

namespace hyperrs {

// One part of an episode as inputs of the recommender, (pairs, 2 width) each.
template <class A>
struct RankingPairs {
  A positive, negative;
  thaw::Index count() const { return positive.shape[0]; }
};

// What the inner loop leaves behind beside the weights.
template <class A>
struct InnerTrace {
  int steps = 0;                               // taken
  A stop_features;                             // (most_steps, tensors + 1)
  std::vector<typename A::Real> query_before;  // L_query before each step, where a query is given
};

// The smoothed sizes of gradients and loss, into one row.
template <class A>
void stop_features(const thaw::Mlp<A>& gradients, double loss, typename A::Real* row) {
  using R = typename A::Real;
  int k = 0;
  thaw::for_each_unnamed(
      [&](const A& g) {
        row[k++] =
            smooth(static_cast<R>(std::sqrt(A::Backend::sum_of_squares(*g.context, g.size(), g.data)))).magnitude;
      },
      gradients);
  row[k] = smooth(static_cast<R>(loss)).magnitude;
}

// The inner loop. T is Var to differentiate through it, Array to use it; then memory does not grow with the steps.
template <thaw::Value T>
class S2MetaLoop {
 public:
  using A = typename T::Plain;
  using R = typename A::Real;
  using B = typename A::Backend;
  using Tape = thaw::Tape<R, B>;

  S2MetaLoop(const S2Meta<T>& net, const StopController<A>& stop, const S2MetaOptions& options, Tape& tape)
      : net_(net), stop_(stop), options_(options), tape_(tape), theta_(net.start), states_(net.first_states()) {
    if constexpr (thaw::is_array<T>) keep_apart();
  }

  // pairs(t) gives the support of step t, query (may be null) what is asked. Returns the weights.
  template <class Pairs>
  thaw::Mlp<T> run(const Pairs& pairs, const RankingPairs<A>* query, int most, thaw::Philox coin,
                   InnerTrace<A>& trace) {
    const thaw::Index inputs = stop_.cell.input.weight.shape[1];
    trace.stop_features = A::make(tape_.context(), {(std::max)(most, 1), inputs});
    trace.query_before.clear();
    auto stop_state = keep_state(stop_.first());
    for (trace.steps = 0; trace.steps < most; ++trace.steps) {
      const auto mark = tape_.mark();
      const auto here = thaw::map_unnamed<thaw::Var<R, B>>(theta_, [&](const T& w) { return tape_.leaf(w.array()); });
      const RankingPairs<A> batch = pairs(trace.steps);
      const auto loss = ranking_loss(here, batch.positive, batch.negative, options_.margin);
      const thaw::Mlp<A> g = thaw::gradient(loss, here);
      R* row = trace.stop_features.data + trace.steps * inputs;
      stop_features(g, static_cast<double>(loss.item()), row);
      if (stops(row, inputs, stop_state, trace.steps, coin)) break;
      if (query != nullptr)
        trace.query_before.push_back(
            ranking_loss(arrays(theta_), query->positive, query->negative, options_.margin).item());
      advance(g, static_cast<double>(loss.item()));
      if constexpr (thaw::is_array<T>) {
        store();
        tape_.rewind(mark);
      }
    }
    return theta_;
  }

 private:
  static thaw::Mlp<A> arrays(const thaw::Mlp<T>& model) {
    return thaw::map_unnamed<A>(model, [](const T& w) { return w.array(); });
  }
  A copy(const A& from) {
    const A to = A::make(tape_.context(), from.shape);
    B::copy(tape_.context(), from.size(), from.data, to.data);
    return to;
  }
  thaw::LstmState<A> keep_state(const thaw::LstmState<A>& from) { return {copy(from.hidden), copy(from.cell)}; }

  // The coin falls from the first step on which it may, and the state moves in place.
  bool stops(const R* row, thaw::Index inputs, thaw::LstmState<A>& kept, int step, thaw::Philox& coin) {
    thaw::ArenaScope scope(tape_.arena());
    thaw::LstmState<A> state = kept;
    const A logit = stop_(A::view(tape_.context(), row, {1, inputs}), state);
    B::copy(tape_.context(), kept.hidden.size(), state.hidden.data, kept.hidden.data);
    B::copy(tape_.context(), kept.cell.size(), state.cell.data, kept.cell.data);
    const double p = 1 / (1 + std::exp(-static_cast<double>(logit.item())));
    return step >= options_.least_steps && coin.uniform() < p;
  }
  void advance(const thaw::Mlp<A>& g, double loss) {
    thaw::for_each_unnamed(
        [](const A& a) {
          for (R& x : a) x = (std::clamp)(x, R(-1), R(1));
        },
        g);
    thaw::Mlp<A> features = g;
    thaw::for_each_unnamed([&](A& x, const T& w, const A& slope) { x = coordinate_features(w.array(), slope, loss); },
                           features, theta_, g);
    net_.update(theta_, states_, features, g);
  }
  // Arrays of this loop's own, which each step overwrites.
  void keep_apart() {
    thaw::for_each_unnamed([&](A& w) { w = copy(w); }, theta_);
    for (int k = 0; k < states_.count; ++k) states_[k] = keep_state(states_[k]);
    kept_theta_ = theta_;
    kept_states_ = states_;
  }
  void store() {
    const auto put = [&](const A& from, const A& to) { B::copy(tape_.context(), to.size(), from.data, to.data); };
    thaw::for_each_unnamed([&](const A& from, const A& to) { put(from, to); }, theta_, kept_theta_);
    for (int k = 0; k < states_.count; ++k) {
      put(states_[k].hidden, kept_states_[k].hidden);
      put(states_[k].cell, kept_states_[k].cell);
    }
    theta_ = kept_theta_;
    states_ = kept_states_;
  }

  const S2Meta<T>& net_;
  const StopController<A>& stop_;
  const S2MetaOptions& options_;
  Tape& tape_;
  thaw::Mlp<T> theta_;
  typename S2Meta<T>::States states_;
  thaw::Mlp<T> kept_theta_;
  typename S2Meta<T>::States kept_states_;
};

// Gradients of dense tensors added up over tasks.
template <class Plan>
class GradientSum {
 public:
  using List = typename TrainedModel<Plan>::Gradients;

  explicit GradientSum(TrainedModel<Plan>& model) : model_(&model) {
    for (int i = 0; i < model.parameters().count(); ++i)
      sums_.emplace_back(static_cast<std::size_t>(model.parameters().slot(i).value.size()), 0.0F);
  }
  void add(const List& list, float weight) {
    for (std::size_t i = 0; i < sums_.size(); ++i)
      for (std::size_t k = 0; k < sums_[i].size(); ++k) sums_[i][k] += weight * list.dense[i].data[k];
  }
  // One step with the sum and `decay` times the weights, each element clipped; starts over.
  void apply(double rate, double decay, double clip) {
    thaw::Scope scope(model_->tape());
    thaw::Arena& arena = model_->tape().arena();
    const int count = model_->parameters().count();
    List list{count, arena.take<FloatArray>(count), arena.take<thaw::RowGradient<float, Backend>*>(count)};
    for (int i = 0; i < count; ++i) {
      std::vector<float>& sum = sums_[static_cast<std::size_t>(i)];
      const FloatArray& weight = model_->parameters().slot(i).value;
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += static_cast<float>(decay) * weight.data[k];
      list.dense[i] = FloatArray::view(model_->tape().context(), sum.data(), weight.shape);
      list.rows[i] = nullptr;
    }
    thaw::clip_value(list, clip);
    model_->adam().step(model_->parameters(), list, rate);
    for (auto& sum : sums_) std::fill(sum.begin(), sum.end(), 0.0F);
  }

 private:
  TrainedModel<Plan>* model_;
  std::vector<std::vector<float>> sums_;
};

class S2MetaLearner : public Learner {
 public:
  S2MetaLearner(const World& world, const S2MetaOptions& options)
      : options_(options),
        factors_(world, factor_options(options)),
        net_(s2meta_plan(options), options.seed, options.threads),
        stop_(stop_plan(options), thaw::Key{options.seed}.fold(1).bits, options.threads),
        net_sum_(net_),
        stop_sum_(stop_) {
    start_remembering(net_.parameters().values());
  }

  // Without the pre-trained vectors, which are fixed.
  std::int64_t parameter_count() const override { return net_.parameter_count() + stop_.parameter_count(); }

  double train(std::span<const thaw::Episode> episodes) override {
    const auto asked = [](const thaw::Episode& e) { return !e.query.items.empty() && !e.query.negatives.empty(); };
    const auto count = std::count_if(episodes.begin(), episodes.end(), asked);
    if (count == 0) return 0;
    double loss = 0;
    for (const thaw::Episode& e : episodes)
      if (asked(e)) loss += learn(e, 1 / static_cast<double>(count));
    net_sum_.apply(options_.rate, options_.decay, options_.clip);
    stop_sum_.apply(options_.stop_rate, options_.decay, options_.clip);
    ++steps_;
    return loss / static_cast<double>(count);
  }

  std::unique_ptr<Adapted> adapt(std::int32_t, const thaw::Episode::Part& support, int steps) const override {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    thaw::Tape<float, Backend> tape(context);
    auto user = std::make_unique<User>(*this);
    factors_.mean_of(support.items, user->vector.data());
    const auto net = net_.on(context);
    const auto stop = stop_.on(context);
    InnerTrace<FloatArray> trace;
    S2MetaLoop<FloatArray> loop(net, stop, options_, tape);
    const auto pairs = [&](int t) { return pairs_of(context, user->vector.data(), support, t); };
    const thaw::Mlp<FloatArray> theta =
        loop.run(pairs, nullptr, most(support, steps), thaw::Philox(coin(support, 0)), trace);
    thaw::for_each_unnamed([&](const FloatArray& w) { user->weights.insert(user->weights.end(), w.begin(), w.end()); },
                           theta);
    return user;
  }

  const MatrixFactors& factors() const { return factors_; }
  std::size_t peak_bytes() const { return net_.peak_bytes() + stop_.peak_bytes(); }

 private:
  // A user's vector and recommender.
  struct User : Adapted {
    const S2MetaLearner& learner;
    std::vector<float> vector, weights;

    explicit User(const S2MetaLearner& from) : learner(from), vector(from.factors_.width()) {}

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      constexpr std::size_t kBlock = 512;
      thaw::GrowingArena arena;
      Backend::Context context{&arena, 1};
      const float* at = weights.data();
      thaw::Mlp<FloatArray> theta = learner.net_.on(context).start;
      thaw::for_each_unnamed(
          [&](FloatArray& w) {
            w = FloatArray::view(context, at, w.shape);
            at += w.size();
          },
          theta);
      for (std::size_t begin = 0; begin < items.size(); begin += kBlock) {
        thaw::ArenaScope scope(arena);
        const auto part = items.subspan(begin, (std::min)(kBlock, items.size() - begin));
        const FloatArray y = theta(learner.inputs(context, vector.data(), part, part.size(), 0));
        for (std::size_t i = 0; i < part.size(); ++i) out[begin + i] = y[static_cast<thaw::Index>(i)];
      }
    }
  };

  static MatrixFactorsOptions factor_options(const S2MetaOptions& o) {
    MatrixFactorsOptions f;
    f.width = static_cast<int>(o.width);
    f.epochs = o.factor_epochs;
    f.from_attributes = o.from_attributes;
    f.seed = o.seed;
    return f;
  }
  // Without pairs there is nothing to learn from.
  int most(const thaw::Episode::Part& support, int steps) const {
    if (support.items.empty() || support.negatives.empty()) return 0;
    return steps < 0 ? options_.most_steps : steps;
  }
  thaw::Key coin(const thaw::Episode::Part& support, std::int64_t step) const {
    thaw::Key key = thaw::Key{options_.seed}.fold(static_cast<std::uint64_t>(step));
    for (const std::int32_t item : support.items) key = key.fold(static_cast<std::uint32_t>(item));
    return key;
  }
  // [user, item of row i + shift, from the front again], (count, 2 width).
  FloatArray inputs(Backend::Context& context, const float* user, std::span<const std::int32_t> items,
                    std::size_t count, std::size_t shift) const {
    const std::size_t w = factors_.width();
    const FloatArray out =
        FloatArray::make(context, {static_cast<thaw::Index>(count), static_cast<thaw::Index>(2 * w)});
    for (std::size_t i = 0; i < count; ++i) {
      std::copy(user, user + w, out.data + 2 * w * i);
      factors_.copy_item(items[(i + shift) % items.size()], out.data + 2 * w * i + w);
    }
    return out;
  }
  RankingPairs<FloatArray> pairs_of(Backend::Context& context, const float* user, const thaw::Episode::Part& part,
                                    int step) const {
    const std::size_t count = part.items.size();
    return {inputs(context, user, part.items, count, 0),
            inputs(context, user, part.negatives, count, static_cast<std::size_t>(step))};
  }

  // Adds one task's gradients. Returns its query loss at the end of the inner loop.
  double learn(const thaw::Episode& e, double share) {
    auto& tape = net_.tape();
    thaw::Scope scope(tape);
    thaw::Scope stop_scope(stop_.tape());
    std::vector<float> user(factors_.width());
    factors_.mean_of(e.support.items, user.data());
    const auto net = net_.parameters().on(tape);
    const auto stop = stop_.on(tape.context());
    const auto query = pairs_of(tape.context(), user.data(), e.query, 0);
    const auto pairs = [&](int t) { return pairs_of(tape.context(), user.data(), e.support, t); };
    InnerTrace<FloatArray> trace;
    S2MetaLoop<FloatVar> loop(net, stop, options_, tape);
    const thaw::Mlp<FloatVar> theta =
        loop.run(pairs, &query, most(e.support, -1), thaw::Philox(coin(e.support, steps_ + 1)), trace);
    const FloatVar loss = ranking_loss(theta, query.positive, query.negative, options_.margin);
    net_sum_.add(net_.parameters().gradient(loss), static_cast<float>(share));
    if (trace.steps > 0) {
      const auto features = thaw::slice(trace.stop_features, 0, 0, trace.steps);
      const FloatVar regret =
          stop_loss(stop_.parameters().on(stop_.tape()), thaw::on<Backend>(stop_.tape().context(), features),
                    trace.query_before.data(), static_cast<double>(loss.item()), options_.step_penalty);
      stop_sum_.add(stop_.parameters().gradient(regret), static_cast<float>(share));
    }
    return static_cast<double>(loss.item());
  }

  S2MetaOptions options_;
  MatrixFactors factors_;
  TrainedModel<S2Meta<thaw::Spec>> net_;
  TrainedModel<StopController<thaw::Spec>> stop_;
  GradientSum<S2Meta<thaw::Spec>> net_sum_;
  GradientSum<StopController<thaw::Spec>> stop_sum_;
  std::int64_t steps_ = 0;
};

inline S2MetaOptions s2meta_options(const LearnerOptions& options) {
  S2MetaOptions s;
  s.threads = options.threads;
  s.seed = options.seed;
  if (options.variant == Variant::best) {
    s.width = options.width;
    for (int l = 0; l < 3; ++l) s.hidden[l] = (std::max)(thaw::Index(options.width) >> l, thaw::Index(2));
    s.most_steps = 8;
    s.rate = 1e-3;
    s.stop_rate = 5e-4;
    s.from_attributes = true;
  }
  if (options.inner_steps > 1) s.most_steps = options.inner_steps;
  return s;
}

inline std::unique_ptr<Learner> make_s2meta(const World& world, const LearnerOptions& options) {
  thaw::require(world.objective == Objective::ranking,
                "make_s2meta: s2Meta ranks items and predicts no ratings; ask for Objective::ranking");
  return std::make_unique<S2MetaLearner>(world, s2meta_options(options));
}

}  // namespace hyperrs
