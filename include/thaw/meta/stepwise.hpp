// stepwise_gradient: the exact meta-gradient of a plain gradient-descent inner loop, in memory that does not grow with
// the number of steps.
//
//   float query = thaw::stepwise_gradient(
//       tape, weights, /*steps*/ 5, /*rate*/ 0.1,
//       [&](int step, const auto& model) { return support_loss(model, step); },
//       [&](const auto& model) { return query_loss(model); }, meta);    // meta: a model of Arrays, overwritten
//
// With w_(k+1) = w_k - rate * grad L_k(w_k), the outer gradient v at the last weights goes backwards as
// v <- v - rate * H_k(w_k) v, each product exact and from one step alone (autodiff/hessian_vector.hpp). It equals the
// gradient through meta/unroll.hpp to rounding.
//
// Of the weights on the way at most `copies` are kept; the others are computed again from the nearest kept ones, by the
// schedule that takes the fewest steps (Griewank and Walther, 2000). So the loss of a step is asked for several times
// and must be the same each time. With the default of 4 copies up to 5 steps are computed once, 64 at most four times.
// Not for inner loops with momentum or other state: unroll those.
#pragma once

#include "thaw/autodiff/hessian_vector.hpp"

namespace thaw::inline v0 {

// A model without tensors.
template <Value T>
struct NoTensors {
  static void each(auto&&, auto&...) {}
};

struct StepwiseOptions {
  int copies = 4;  // of the parameters, kept on the way; two more are worked on
};

namespace detail {

// One rate for all tensors.
template <class R, class B>
struct FixedStep {
  double rate;
  template <class M>
  M scaled(const M& direction) const {
    return map_unnamed<Array<R, B>>(direction, [&](const Array<R, B>& a) { return scale(a, rate); });
  }
  template <class G, class M>
  void learn(const G&, const M&) const {}
};
// A rate of their own, which gets a gradient: of -sum(g v) each.
template <class R, class B, class Rates>
struct RatedStep {
  using A = Array<R, B>;
  const Rates& rates;
  Rates& out;
  template <class M>
  M scaled(const M& direction) const {
    M moved = direction;
    for_each_tensor(
        [](const Path& path, A& to, const A& rate) {
          require(rate.shape == to.shape || rate.shape.rank == 0, "stepwise_gradient: ", path, " has shape ", to.shape,
                  ", its rate ", rate.shape, "; a rate is one number a tensor (shape ()) or one a parameter");
          to = mul(to, rate);
        },
        moved, rates);
    return moved;
  }
  template <class G, class M>
  void learn(const G& gradients, const M& direction) const {
    for_each_unnamed(
        [](const auto& g, const A& v, const A& to) {
          const A slope = sum_to(mul(g.array(), v), to.shape);
          B::add_scaled(*slope.context, to.size(), R(1), to.data, R(-1), slope.data, to.data);
        },
        gradients, direction, out);
  }
};

template <class M, class R, class B, class Shared, class Rate, class Inner, class Outer>
class Stepwise {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;

  struct Task {
    const M& start;
    const Shared& shared;
    int steps;
    const Rate& rate;
    const Inner& inner;
    const Outer& outer;
    M& out;
    Shared& out_shared;
  };

  Stepwise(Tape<R, B>& tape, const Task& task, const StepwiseOptions& options) : tape_(tape), task_(task) {
    require(options.copies >= 0, "stepwise_gradient: ", options.copies, " copies");
    for_each_unnamed([&](const A& a) { stride_ += padded(a.size()); }, task.start);
    slots_ = task.steps - 1 < options.copies ? task.steps - 1 : options.copies;
    const Index copies = task.steps == 0 ? 0 : slots_ + 2;
    kept_ = tape.arena().template take<R>(stride_ * copies);
  }
  R run() {
    if (task_.steps == 0)
      last(task_.start);
    else
      reverse(task_.start, 0, task_.steps, slots_);
    return loss_;
  }

 private:
  static Index padded(Index n) {
    constexpr Index line = static_cast<Index>(kAlignment / sizeof(R));
    return (n + line - 1) / line * line;
  }
  // Copy number i: the slots, then the one that is worked on, then the tip.
  M copy(int i) const {
    R* place = kept_ + i * stride_;
    return map_unnamed<A>(task_.start, [&](const A& a) {
      const A view = A::view(tape_.context(), place, a.shape);
      place += padded(a.size());
      return view;
    });
  }
  M tip() const { return copy(slots_ + 1); }
  M work() const { return copy(slots_); }

  // Goes back over the steps begin .. end - 1. `from`: the parameters before the first; `free`: slots that may be used.
  void reverse(const M& from, int begin, int end, int free) {
    while (end - begin > 1 && free > 0) {
      const int middle = end - right_part(end - begin, free);
      const M kept = copy(free - 1);
      advance(from, begin, middle, kept);
      reverse(kept, middle, end, free - 1);
      end = middle;
    }
    for (int k = end - 1; k > begin; --k) {
      const M now = work();
      advance(from, begin, k, now);
      leaf(now, k);
    }
    leaf(from, begin);
  }
  // How many of `steps` steps come after the next copy: binomial, so that the steps computed again are fewest. With
  // `repeats` forward passes, S stored starts reach C(S + repeats, S) steps; S counts `from`.
  static int right_part(int steps, int free) {
    Index reach = 1, reach_before = 1, least_left = 1, part = 1;  // part: of one start fewer
    for (Index repeats = 1; reach < steps; ++repeats) {
      least_left = reach_before;
      reach_before = reach;
      part = part * (free + repeats) / repeats;
      reach = reach * (free + 1 + repeats) / repeats;
    }
    const Index most = steps - least_left;
    return static_cast<int>(part < most ? part : most);
  }
  // The parameters before step `end` from those before step `begin`.
  void advance(const M& from, int begin, int end, const M& to) {
    for (int k = begin; k < end; ++k) forward(k, k == begin ? from : to, to);
  }
  void leaf(const M& before, int k) {
    if (k + 1 == task_.steps) {
      const M end = tip();
      forward(k, before, end);
      last(end);
    }
    backward(k, before);
  }

  template <class Model>
  auto leaves(const Model& model) const {
    return map_unnamed<V>(model, [&](const A& a) { return tape_.leaf(a); });
  }
  template <class Model>
  auto constants(const Model& model) const {
    return map_unnamed<V>(model, [&](const A& a) { return tape_.constant(a); });
  }

  // `after` may be `before`.
  void forward(int k, const M& before, const M& after) {
    Scope<R, B> scope(tape_);
    const auto model = leaves(before);
    const M moved = task_.rate.scaled(gradient(task_.inner(k, model, constants(task_.shared)), model));
    for_each_unnamed(
        [&](const auto& w, const A& d, const A& to) {
          B::add_scaled(tape_.context(), to.size(), R(1), w.data, R(-1), d.data, to.data);
        },
        model, moved, after);
  }
  void last(const M& end) {
    Scope<R, B> scope(tape_);
    const auto model = leaves(end);
    const auto shared = leaves(task_.shared);
    const V loss = task_.outer(model, shared);
    loss_ = loss.item();
    both(loss, model, shared, [&](const A& g, const A& to) {
      require(g.shape == to.shape, "stepwise_gradient: a parameter of shape ", g.shape, ", its result ", to.shape);
      B::copy(tape_.context(), g.size(), g.data, to.data);
    });
  }
  void backward(int k, const M& before) {
    Scope<R, B> scope(tape_);
    const auto model = leaves(before);
    const auto shared = leaves(task_.shared);
    const auto g = gradient(task_.inner(k, model, shared), model, differentiable);
    const M here = map_unnamed<A>(task_.out, [&](const A& a) { return A::view(tape_.context(), a.data, a.shape); });
    task_.rate.learn(g, here);
    both(inner_product(tape_, g, task_.rate.scaled(here)), model, shared, [&](const A& h, const A& to) {
      B::add_scaled(tape_.context(), to.size(), R(1), to.data, R(-1), h.data, to.data);
    });
  }
  // One sweep for the model and what it shares; put(gradient, result) for every tensor.
  template <class Model, class SharedModel, class Put>
  void both(const V& loss, const Model& model, const SharedModel& shared, const Put& put) {
    const int count = tensor_count(model) + tensor_count(shared);
    V* wanted = tape_.arena().template take<V>(count);
    A* out = tape_.arena().template take<A>(count);
    int i = 0;
    const auto want = [&](const V& v) { wanted[i++] = v; };
    for_each_unnamed(want, model);
    for_each_unnamed(want, shared);
    pull_back<A, R, B>(loss, one_for(loss), {wanted, count, out});
    i = 0;
    const auto give = [&](const A& to) { put(out[i++], to); };
    for_each_unnamed(give, task_.out);
    for_each_unnamed(give, task_.out_shared);
  }

  Tape<R, B>& tape_;
  Task task_;
  Index stride_ = 0;
  int slots_ = 0;
  R* kept_ = nullptr;
  R loss_ = 0;
};

template <class R, class B, class M, class Shared, class Rate, class Inner, class Outer>
R run_stepwise(Tape<R, B>& tape, const M& start, const Shared& shared, int steps, const Rate& rate, const Inner& inner,
               const Outer& outer, M& out, Shared& out_shared, const StepwiseOptions& options) {
  require(steps >= 0, "stepwise_gradient: ", steps, " steps");
  Scope<R, B> scope(tape);
  using Run = Stepwise<M, R, B, Shared, Rate, Inner, Outer>;
  return Run(tape, typename Run::Task{start, shared, steps, rate, inner, outer, out, out_shared}, options).run();
}

}  // namespace detail

// As below, for losses that also read `shared` tensors which the inner loop leaves alone (a frozen embedding, the
// weights of a generator): inner(step, model, shared), outer(model, shared). `out` and `out_shared` are models of
// Arrays with memory for the results. Returns the outer loss.
template <class R, class B, class M, class Shared, class Inner, class Outer>
R stepwise_gradient(Tape<R, B>& tape, const M& start, const Shared& shared, int steps, double rate, const Inner& inner,
                    const Outer& outer, M& out, Shared& out_shared, const StepwiseOptions& options = {}) {
  return detail::run_stepwise(tape, start, shared, steps, detail::FixedStep<R, B>{rate}, inner, outer, out, out_shared,
                              options);
}

// The gradient of outer(model after the inner loop) with respect to the starting weights. inner(step, model) and
// outer(model) take a model of Vars and return a one-element loss. `out`: a model of Arrays with memory of its own.
// Returns the outer loss.
template <class R, class B, class M, class Inner, class Outer>
R stepwise_gradient(Tape<R, B>& tape, const M& start, int steps, double rate, const Inner& inner, const Outer& outer,
                    M& out, const StepwiseOptions& options = {}) {
  NoTensors<Array<R, B>> none;
  return stepwise_gradient(
      tape, start, none, steps, rate, [&](int step, const auto& model, const auto&) { return inner(step, model); },
      [&](const auto& model, const auto&) { return outer(model); }, out, none, options);
}

// The same with a rate for each tensor (shape ()) or parameter, a model of Arrays; `out_rates` gets their gradient.
template <class R, class B, class M, class Rates, class Inner, class Outer>
requires(!std::is_arithmetic_v<Rates>) R
    stepwise_gradient(Tape<R, B>& tape, const M& start, int steps, const Rates& rates, const Inner& inner,
                      const Outer& outer, M& out, Rates& out_rates, const StepwiseOptions& options = {}) {
  for_each_unnamed([&](const Array<R, B>& a) { B::fill(tape.context(), a.size(), R(0), a.data); }, out_rates);
  NoTensors<Array<R, B>> none;
  return detail::run_stepwise(
      tape, start, none, steps, detail::RatedStep<R, B, Rates>{rates, out_rates},
      [&](int step, const auto& model, const auto&) { return inner(step, model); },
      [&](const auto& model, const auto&) { return outer(model); }, out, none, options);
}

}  // namespace thaw::inline v0
