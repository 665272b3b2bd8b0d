// stepwise_gradient: the exact meta-gradient of a plain gradient-descent inner loop, in memory that does not grow with
// the number of steps but for one copy of the parameters a step.
//
//   float query = thaw::stepwise_gradient(
//       tape, weights, /*steps*/ 5, /*rate*/ 0.1,
//       [&](int step, const auto& model) { return support_loss(model, step); },
//       [&](const auto& model) { return query_loss(model); }, meta);    // meta: a model of Arrays, overwritten
//
// With w_(k+1) = w_k - rate * grad L_k(w_k), the outer gradient v at the last weights goes backwards as
// v <- v - rate * H_k(w_k) v, each product exact and from one step alone (autodiff/hessian_vector.hpp). It equals the
// gradient through meta/unroll.hpp to rounding. Not for inner loops with momentum or other state: unroll those.
#pragma once

#include "thaw/autodiff/hessian_vector.hpp"

namespace thaw::inline v0 {

// A model without tensors.
template <Value T>
struct NoTensors {
  static void each(auto&&, auto&...) {}
};

namespace detail {

template <class M, class R, class B>
class Stepwise {
 public:
  using A = Array<R, B>;
  using V = Var<R, B>;

  template <class Shared>
  struct Task {
    const Shared& shared;
    double rate;
    M& out;
    Shared& out_shared;
  };

  // Room for `steps` further copies of the parameters, each tensor aligned.
  Stepwise(Tape<R, B>& tape, const M& start, int steps) : tape_(tape), start_(start) {
    for_each_tensor([&](const Path&, const A& a) { stride_ += padded(a.size()); }, start);
    kept_ = tape.arena().template take<R>(stride_ * steps);
  }
  // The parameters before step k.
  M at(int k) const {
    if (k == 0) return start_;
    R* place = kept_ + (k - 1) * stride_;
    return map_model<A>(start_, [&](const Path&, const A& a) {
      const A view = A::view(tape_.context(), place, a.shape);
      place += padded(a.size());
      return view;
    });
  }
  template <class Model>
  auto leaves(const Model& model) const {
    return map_model<V>(model, [&](const Path&, const A& a) { return tape_.leaf(a); });
  }
  template <class Model>
  auto constants(const Model& model) const {
    return map_model<V>(model, [&](const Path&, const A& a) { return tape_.constant(a); });
  }

  template <class Shared, class Inner>
  void forward(int k, const Task<Shared>& task, const Inner& inner) {
    Scope<R, B> scope(tape_);
    const M before = at(k), after = at(k + 1);
    const auto model = leaves(before);
    const M g = gradient(inner(k, model, constants(task.shared)), model);
    for_each_tensor(
        [&](const Path&, const A& w, const A& d, const A& to) {
          const A next = sub(w, scale(d, task.rate));
          B::copy(tape_.context(), to.size(), next.data, to.data);
        },
        before, g, after);
  }
  template <class Shared, class Outer>
  R last(int steps, const Task<Shared>& task, const Outer& outer) {
    Scope<R, B> scope(tape_);
    const auto model = leaves(at(steps));
    const auto shared = leaves(task.shared);
    const V loss = outer(model, shared);
    const R value = loss.item();
    both(loss, model, shared, task, [&](const A& g, const A& to) {
      require(g.shape == to.shape, "stepwise_gradient: a parameter of shape ", g.shape, ", its result ", to.shape);
      B::copy(tape_.context(), g.size(), g.data, to.data);
    });
    return value;
  }
  template <class Shared, class Inner>
  void backward(int k, const Task<Shared>& task, const Inner& inner) {
    Scope<R, B> scope(tape_);
    const auto model = leaves(at(k));
    const auto shared = leaves(task.shared);
    const auto g = gradient(inner(k, model, shared), model, differentiable);
    both(inner_product(tape_, g, task.out), model, shared, task, [&](const A& h, const A& to) {
      const A next = sub(to, scale(h, task.rate));
      B::copy(tape_.context(), to.size(), next.data, to.data);
    });
  }

 private:
  static Index padded(Index n) {
    constexpr Index line = static_cast<Index>(kAlignment / sizeof(R));
    return (n + line - 1) / line * line;
  }
  // One sweep for the model and what it shares; put(gradient, result) for every tensor.
  template <class Model, class SharedModel, class Shared, class Put>
  void both(const V& loss, const Model& model, const SharedModel& shared, const Task<Shared>& task, const Put& put) {
    const int count = tensor_count(model) + tensor_count(shared);
    V* wanted = tape_.arena().template take<V>(count);
    A* out = tape_.arena().template take<A>(count);
    int i = 0;
    const auto want = [&](const Path&, const V& v) { wanted[i++] = v; };
    for_each_tensor(want, model);
    for_each_tensor(want, shared);
    pull_back<A, R, B>(loss, one_for(loss), {wanted, count, out});
    i = 0;
    const auto give = [&](const Path&, const A& to) { put(out[i++], to); };
    for_each_tensor(give, task.out);
    for_each_tensor(give, task.out_shared);
  }

  Tape<R, B>& tape_;
  const M& start_;
  Index stride_ = 0;
  R* kept_ = nullptr;
};

}  // namespace detail

// As below, for losses that also read `shared` tensors which the inner loop leaves alone (a frozen embedding, the
// weights of a generator): inner(step, model, shared), outer(model, shared). `out` and `out_shared` are models of
// Arrays with memory for the results. Returns the outer loss.
template <class R, class B, class M, class Shared, class Inner, class Outer>
R stepwise_gradient(Tape<R, B>& tape, const M& start, const Shared& shared, int steps, double rate, const Inner& inner,
                    const Outer& outer, M& out, Shared& out_shared) {
  Scope<R, B> scope(tape);
  using Run = detail::Stepwise<M, R, B>;
  Run run(tape, start, steps);
  const typename Run::template Task<Shared> task{shared, rate, out, out_shared};
  for (int k = 0; k < steps; ++k) run.forward(k, task, inner);
  const R loss = run.last(steps, task, outer);
  for (int k = steps - 1; k >= 0; --k) run.backward(k, task, inner);
  return loss;
}

// The gradient of outer(model after the inner loop) with respect to the starting weights. inner(step, model) and
// outer(model) take a model of Vars and return a one-element loss. `out`: a model of Arrays with memory of its own.
// Returns the outer loss.
template <class R, class B, class M, class Inner, class Outer>
R stepwise_gradient(Tape<R, B>& tape, const M& start, int steps, double rate, const Inner& inner, const Outer& outer,
                    M& out) {
  NoTensors<Array<R, B>> none;
  return stepwise_gradient(
      tape, start, none, steps, rate, [&](int step, const auto& model, const auto&) { return inner(step, model); },
      [&](const auto& model, const auto&) { return outer(model); }, out, none);
}

}  // namespace thaw::inline v0
