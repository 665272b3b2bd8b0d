// MetaTL (Wang et al., SIGIR 2021): the next item of a new user, by a translation that her few transitions give.
//
//   auto learner = hyperrs::make_metatl(world, options);
//   double loss = learner->train(episodes);
//   auto adapted = learner->adapt(user, support, /*steps*/ 1);
//
//   r = mean_j MLP[e(i_j), e(i_j+1)]         score(h, r, t) = -|| e(h) + r - e(t) ||
//   r' = r - beta dL_support / dr            L = mean max(0, 1 - score(positive) + score(negative))
//
// One user is one task; her support in the order given is the sequence (metatl_tasks.hpp), and the score of a candidate
// t is that of (i_K, t) under r'. A repeated item is a transition like any other; without transitions r = 0, without
// support e(i_K) = 0 too. An item without training records has e = 0: all of them tie.
//
// `paper`: the published sizes (100; 200 -> 500 -> 200 -> 100) and a first-order inner step. `best`: items of
// options.width with attribute rows added, so that new items differ, and the exact gradient unless first_order is set.
// Against the published program: a user's step is 5 times the gradient of her own mean loss (there, 5 over the batch
// size); the outer step uses the query loss alone; evaluation never changes the mode of training; episodes are those
// of the caller, not half windows and half random subsequences. Ranks; predicts no ratings.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "hyperrs/metatl_tasks.hpp"
#include "hyperrs/trained_model.hpp"
#include "thaw/nn/linear.hpp"
#include "thaw/nn/losses.hpp"

namespace hyperrs {

struct MetaTlOptions {
  thaw::Index width = 100;  // of items and of r
  thaw::Index hidden[2] = {500, 200};
  thaw::Index channels = 9;  // transitions of a user that count, the latest ones: one norm each
  double beta = 5;           // of the inner step
  int inner_steps = 1;
  bool first_order = true;
  bool attributes = false;  // item codes with attribute rows
  double margin = 1;
  double dropout = 0.5;
  double rate = 1e-3;  // of Adam
  int threads = 1;
  std::uint64_t seed = 1;
};

// Mean and variance by transition index, (channels, 1).
template <thaw::Value T>
struct Moments {
  T mean, variance;
};

// What a pass through the network needs beside the transitions: with `running`, moments of the past instead of the
// batch's own; else the batch's own are left in `seen`.
template <class A>
struct NormMode {
  const Moments<A>* running = nullptr;
  Moments<A>* seen = nullptr;
  thaw::DropoutRule dropout;
};

// Batch normalisation with the transition index as the channel: over users and width (Ioffe and Szegedy, 2015).
template <thaw::Value T>
struct PositionNorm {
  T weight, bias;  // (channels, 1)
  double epsilon = 1e-5;

  // x (transitions, width)
  template <class A>
  T operator()(const T& x, const MetaTlTasks& tasks, const A* running_mean, const A* running_variance,
               Moments<A>* seen) const {
    const thaw::Shape column{x.shape[0], 1};
    if (running_mean != nullptr)
      return finish(thaw::sub(x, thaw::gather(*running_mean, tasks.position)),
                    thaw::gather(*running_variance, tasks.position), tasks);
    const double share = 1.0 / static_cast<double>(x.shape[1]);
    const T mean = thaw::gather(thaw::scale(thaw::sum_to(x, column), share), tasks.at_position);
    const T centred = thaw::sub(x, thaw::gather(mean, tasks.position));
    const T variance = thaw::gather(thaw::scale(thaw::sum_to(thaw::square(centred), column), share), tasks.at_position);
    if (seen != nullptr) *seen = {mean.array(), variance.array()};
    return finish(centred, thaw::gather(variance, tasks.position), tasks);
  }
  static void each(auto&& visit, auto&... m) {
    visit("weight", m.weight...), visit("bias", m.bias...), visit("epsilon", m.epsilon...);
  }

 private:
  template <class V>
  T finish(const T& centred, const V& variance, const MetaTlTasks& tasks) const {
    const auto normal = thaw::div(centred, thaw::sqrt(thaw::shift(variance, epsilon)));
    return thaw::add(thaw::mul(normal, thaw::gather(weight, tasks.position)), thaw::gather(bias, tasks.position));
  }
};

template <thaw::Value T>
struct RelationLayer {
  thaw::Linear<T> linear;
  PositionNorm<T> norm;
  static void each(auto&& visit, auto&... m) { visit("linear", m.linear...), visit("norm", m.norm...); }
};

// || h + r - t ||, (rows, 1); the small number keeps the slope finite where a translation is exact.
template <thaw::Value E, thaw::Value R>
auto distance(const E& h, const R& r, const E& t) {
  const auto gap = thaw::add(thaw::sub(h, t), r);
  return thaw::sqrt(thaw::shift(thaw::sum_to(thaw::square(gap), {gap.shape[0], 1}), 1e-12));
}

// The codes of all items of some tasks, by role; (rows, width) each.
template <thaw::Value T>
struct MetaTlCodes {
  T head, tail, negative, last, asked, asked_negative;
};

template <thaw::Value T>
struct MetaTl {
  ItemCodes<T> items;
  thaw::Several<RelationLayer<T>, 3> layers;

  MetaTlCodes<T> codes(const MetaTlTasks& tasks) const {
    const T all = items(tasks.items);
    thaw::Index at = 0;
    const auto part = [&](thaw::Index size) {
      at += size;
      return thaw::slice(all, 0, at - size, size);
    };
    MetaTlCodes<T> out;
    out.head = part(tasks.transitions);
    out.tail = part(tasks.transitions);
    out.negative = part(tasks.transitions);
    out.last = part(tasks.users);
    out.asked = part(tasks.queries);
    out.asked_negative = part(tasks.queries);
    return out;
  }
  // r of each user, (users, width).
  template <class A>
  T relation(const MetaTlCodes<T>& codes, const MetaTlTasks& tasks, const NormMode<A>& mode) const {
    T x = thaw::concat({codes.head, codes.tail}, 1);
    thaw::DropoutRule dropout = mode.dropout;
    for (int l = 0; l < layers.count; ++l, ++dropout.site) {
      const A* mean = mode.running != nullptr ? &mode.running[l].mean : nullptr;
      const A* variance = mode.running != nullptr ? &mode.running[l].variance : nullptr;
      x = layers[l].norm(layers[l].linear(x), tasks, mean, variance, mode.seen != nullptr ? mode.seen + l : nullptr);
      if (l + 1 < layers.count) x = thaw::dropout(leaky(x), dropout);
    }
    return thaw::gather(x, tasks.of_user);
  }
  static void each(auto&& visit, auto&... m) { visit("items", m.items...), visit("layers", m.layers...); }

 private:
  static T leaky(const T& x) { return thaw::add(thaw::scale(x, 0.01), thaw::scale(thaw::relu(x), 0.99)); }
};

// Each user's mean margin loss over her transitions, (users, 1).
template <thaw::Value E, thaw::Value R>
auto support_loss(const MetaTlCodes<E>& codes, const R& r, const MetaTlTasks& tasks, double margin) {
  const R of = thaw::gather(r, tasks.user);
  const auto gap = thaw::sub(distance(codes.head, of, codes.tail), distance(codes.head, of, codes.negative));
  return thaw::gather(thaw::relu(thaw::shift(gap, margin)), tasks.ranked);
}
// The same over what is asked of her, from her last item.
template <thaw::Value E, thaw::Value R>
auto query_loss(const MetaTlCodes<E>& codes, const R& r, const MetaTlTasks& tasks, double margin) {
  const R of = thaw::gather(r, tasks.asked_user);
  const E last = thaw::gather(codes.last, tasks.asked_user);
  const auto gap = thaw::sub(distance(last, of, codes.asked), distance(last, of, codes.asked_negative));
  return thaw::gather(thaw::relu(thaw::shift(gap, margin)), tasks.of_asked);
}

// r after the inner steps. Users do not see each other: the loss is summed over them.
template <thaw::Value E, class R, class B>
thaw::Var<R, B> adapt_relation(const MetaTlCodes<E>& codes, thaw::Var<R, B> r, const MetaTlTasks& tasks,
                               const MetaTlOptions& options, int steps) {
  if (tasks.transitions == 0) return r;
  for (int step = 0; step < steps; ++step) {
    const thaw::Var<R, B> loss = thaw::sum(support_loss(codes, r, tasks, options.margin));
    if (options.first_order)
      r = thaw::sub(r, thaw::scale(thaw::gradient(loss, r), options.beta));
    else
      r = thaw::sub(r, thaw::scale(thaw::gradient(loss, r, thaw::differentiable), options.beta));
  }
  return r;
}

// The mean query loss of the users after their inner steps. Some user must have a query with negatives.
template <class R, class B>
thaw::Var<R, B> metatl_loss(const MetaTl<thaw::Var<R, B>>& net, const MetaTlTasks& tasks, const MetaTlOptions& options,
                            const NormMode<thaw::Array<R, B>>& mode) {
  const auto codes = net.codes(tasks);
  const auto r = adapt_relation(codes, net.relation(codes, tasks, mode), tasks, options, options.inner_steps);
  return thaw::scale(thaw::sum(query_loss(codes, r, tasks, options.margin)),
                     1.0 / static_cast<double>(tasks.ranked_users));
}

inline MetaTl<thaw::Spec> metatl_plan(const KnownItems& known, const MetaTlOptions& options) {
  const auto uniform = [&](thaw::Index rows) { return std::sqrt(6.0 / static_cast<double>(rows + options.width)); };
  MetaTl<thaw::Spec> plan{known.plan(options.width, uniform), {}};
  const thaw::Index widths[] = {2 * options.width, options.hidden[0], options.hidden[1], options.width};
  const thaw::Spec one{{options.channels, 1}, {thaw::Init::Kind::constant, 1}};
  const thaw::Spec zero{{options.channels, 1}, {thaw::Init::Kind::constant, 0}};
  for (int l = 0; l < 3; ++l) {
    thaw::Linear<thaw::Spec> linear = thaw::linear_spec(widths[l], widths[l + 1]);
    linear.weight.init = {thaw::Init::Kind::normal, std::sqrt(2.0 / static_cast<double>(widths[l] + widths[l + 1]))};
    plan.layers.push({linear, {one, zero}});
  }
  return plan;
}

class MetaTlLearner : public Learner {
 public:
  MetaTlLearner(const World& world, const MetaTlOptions& options)
      : options_(options),
        known_(world, options.attributes),
        model_(metatl_plan(known_, options), options.seed, options.threads) {
    const auto channels = static_cast<std::size_t>(options.channels);
    for (Running& r : running_) r.mean.assign(channels, 0), r.variance.assign(channels, 1);
  }

  std::int64_t parameter_count() const override { return model_.parameter_count(); }

  double train(std::span<const thaw::Episode> episodes) override {
    thaw::Scope scope(model_.tape());
    const auto tasks = MetaTlTasks::make(known_, episodes, options_.channels, model_.tape().arena());
    if (tasks.ranked_users == 0) return 0;
    Moments<FloatArray> seen[3];
    const thaw::Key key = thaw::Key{options_.seed}.fold(static_cast<std::uint64_t>(steps_++));
    const NormMode<FloatArray> mode{nullptr, seen, thaw::DropoutRule::make(options_.dropout, key, 0)};
    return model_.step(options_.rate, [&](const auto& net, auto&) {
      const FloatVar loss = metatl_loss(net, tasks, options_, mode);
      if (tasks.transitions > 0) remember(tasks, seen);
      return loss;
    });
  }

  std::unique_ptr<Adapted> adapt(std::int32_t user, const thaw::Episode::Part& support, int steps) const override {
    thaw::GrowingArena arena;
    Backend::Context context{&arena, 1};
    thaw::Tape<float, Backend> tape(context);
    const thaw::Episode episode{user, support, {}};
    const auto tasks = MetaTlTasks::make(known_, {&episode, 1}, options_.channels, arena);
    const auto net = model_.on(context);
    const auto codes = net.codes(tasks);
    Moments<FloatArray> running[3];
    for (int l = 0; l < 3; ++l) running[l] = {view(context, running_[l].mean), view(context, running_[l].variance)};
    const FloatArray r = net.relation(codes, tasks, NormMode<FloatArray>{running, nullptr, {}});
    const FloatVar adapted = adapt_relation(codes, tape.leaf(r), tasks, options_, steps);
    const FloatArray target = thaw::add(codes.last, adapted.array());
    return std::make_unique<User>(*this, target);
  }

  const MetaTlOptions& options() const { return options_; }

 private:
  struct Running {
    std::vector<float> mean, variance;
  };
  // e(i_K) + r', which is all that a score needs.
  struct User : Adapted {
    const MetaTlLearner& learner;
    std::vector<float> target;

    User(const MetaTlLearner& from, const FloatArray& to) : learner(from), target(to.begin(), to.end()) {}

    void score(std::span<const std::int32_t> items, std::span<float> out) const override {
      constexpr std::size_t kBlock = 512;
      thaw::GrowingArena arena;
      Backend::Context context{&arena, 1};
      const auto net = learner.model_.on(context);
      const auto width = static_cast<thaw::Index>(target.size());
      const FloatArray to = FloatArray::view(context, target.data(), {1, width});
      const FloatArray none = FloatArray::make(context, {1, width});
      Backend::fill(context, width, 0.0F, none.data);
      for (std::size_t begin = 0; begin < items.size(); begin += kBlock) {
        thaw::ArenaScope scope(arena);
        const auto part = items.subspan(begin, (std::min)(kBlock, items.size() - begin));
        const FloatArray code = net.items(learner.known_.bags(part, arena));
        const FloatArray far = distance(thaw::broadcast_to(to, code.shape), none, code);
        for (std::size_t i = 0; i < part.size(); ++i) out[begin + i] = -far[static_cast<thaw::Index>(i)];
      }
    }
  };

  FloatArray view(Backend::Context& context, const std::vector<float>& values) const {
    return FloatArray::view(context, values.data(), {options_.channels, 1});
  }
  // Running moments with momentum 0.1 and the unbiased variance, for the indices that the batch had.
  void remember(const MetaTlTasks& tasks, const Moments<FloatArray>* seen) {
    const thaw::Index widths[] = {options_.hidden[0], options_.hidden[1], options_.width};
    for (int l = 0; l < 3; ++l)
      for (thaw::Index j = 0; j < options_.channels; ++j) {
        const auto numbers = static_cast<float>((tasks.at_position.end(j) - tasks.at_position.begin(j)) * widths[l]);
        if (numbers < 2) continue;
        const auto at = static_cast<std::size_t>(j);
        running_[l].mean[at] += 0.1F * (seen[l].mean[j] - running_[l].mean[at]);
        running_[l].variance[at] += 0.1F * (seen[l].variance[j] * numbers / (numbers - 1) - running_[l].variance[at]);
      }
  }

  MetaTlOptions options_;
  KnownItems known_;
  TrainedModel<MetaTl<thaw::Spec>> model_;
  Running running_[3];
  std::int64_t steps_ = 0;
};

inline MetaTlOptions metatl_options(const LearnerOptions& options) {
  MetaTlOptions m;
  m.inner_steps = options.inner_steps;
  m.threads = options.threads;
  m.seed = options.seed;
  if (options.variant == Variant::best) {
    m.width = options.width;
    m.hidden[0] = 5 * options.width;
    m.hidden[1] = 2 * options.width;
    m.first_order = options.first_order;
    m.attributes = true;
  }
  return m;
}

inline std::unique_ptr<Learner> make_metatl(const World& world, const LearnerOptions& options) {
  thaw::require(world.objective == Objective::ranking,
                "make_metatl: MetaTL ranks items and predicts no ratings; ask for "
                "Objective::ranking");
  return std::make_unique<MetaTlLearner>(world, metatl_options(options));
}

}  // namespace hyperrs
