// InnerLoop: how a model adapts to one user: how many steps, how far, which tensors, and what the outer gradient sees.
//
//   const thaw::InnerLoop loop{.steps = 5, .rate = 0.01, .local = {"tower"}};
//   auto fast = thaw::adapt(weights, loop, [&](int step, const auto& model) { return support_loss(model); });
//   auto meta = thaw::gradient(query_loss(fast), weights);           // through the inner loop, exactly
//
//   auto plan = thaw::rates_spec(model_plan, 0.01, thaw::RateShape::per_element);   // learned rates (Li et al., 2017)
//   auto fast = thaw::adapt(weights, rates, loop, loss);              // rates: that plan, recorded
//   auto both = thaw::gradient(query_loss(fast), rates);
//
// A recorded expression, like meta/unroll.hpp: memory grows with the steps. For scoring without an outer gradient use
// meta/fast_weights.hpp, for many steps meta/stepwise.hpp. Plain gradient descent only, no momentum.
#pragma once

#include "thaw/meta/unroll.hpp"

namespace thaw::inline v0 {

// The tensors that adapt, by the beginnings of their paths: "tower" is all of tower, "tower.layers.0.bias" one tensor.
// None: everything. The texts are not copied.
struct LocalPart {
  static constexpr int kMost = 8;
  const char* prefixes[kMost] = {};

  constexpr LocalPart() = default;
  constexpr LocalPart(std::initializer_list<const char*> names) {
    require(names.size() <= kMost, "LocalPart: ", names.size(), " prefixes, at most 8 are kept");
    int i = 0;
    for (const char* name : names) prefixes[i++] = name;
  }
  bool holds(const Path& path) const {
    if (prefixes[0] == nullptr) return true;
    for (const char* prefix : prefixes)
      if (prefix != nullptr && begins(static_cast<const char*>(path.text), prefix)) return true;
    return false;
  }

 private:
  // Whether `text` is `prefix` or goes on with a dot after it.
  static bool begins(const char* text, const char* prefix) {
    for (; *prefix != '\0'; ++text, ++prefix)
      if (*text != *prefix) return false;
    return *text == '\0' || *text == '.';
  }
};

struct InnerLoop {
  int steps = 1;
  double rate = 0.01;  // where no model of rates is given
  MetaOrder order = MetaOrder::exact;
  LocalPart local = {};
};

enum class RateShape : std::uint8_t {
  per_tensor,  // one number a tensor
  per_element  // one number a parameter
};

// The plan of a model of rates: `plan` with a rate where it has weights, all starting at `rate`.
template <class Plan>
Plan rates_spec(const Plan& plan, double rate, RateShape shape) {
  return map_model<Spec>(plan, [&](const Path&, const Spec& s) {
    return Spec{shape == RateShape::per_tensor ? Shape{} : s.shape, {Init::Kind::constant, rate}};
  });
}

namespace detail {

// How far one tensor moves: its gradient times a fixed rate, or a rate of its own.
struct OneRate {
  double rate;
  template <class G>
  G operator()(const G& gradient) const {
    return scale(gradient, rate);
  }
};

template <class Rate, class G>
auto rated_step(const Path& path, const Rate& rate, const G& gradient) {
  require(rate.shape == gradient.shape || rate.shape.rank == 0, "adapt: ", path, " has shape ", gradient.shape,
          ", its rate ", rate.shape, "; a rate is one number a tensor (shape ()) or one a parameter");
  return mul(gradient, rate);
}

// The gradients of `loss` with respect to the local tensors of `model`, in their order. T: Array for plain numbers,
// Var to differentiate again.
template <class T, class M, class R, class B>
T* local_gradients(const M& model, const LocalPart& local, const Var<R, B>& loss) {
  Arena& arena = loss.tape->arena();
  auto* wanted = arena.template take<Var<R, B>>(tensor_count(model));
  int count = 0;
  for_each_tensor([&](const Path& path, const Var<R, B>& v) { local.holds(path) ? void(wanted[count++] = v) : void(); },
                  model);
  require(count > 0, "adapt: no path of the model begins with a prefix of the local part");
  T* out = arena.template take<T>(count);
  const Array<R, B> one = one_for(loss);
  if constexpr (is_recorded<T>)
    pull_back<T, R, B>(loss, loss.tape->constant(one), {wanted, count, out});
  else
    pull_back<T, R, B>(loss, one, {wanted, count, out});
  return out;
}

// One step on the local tensors. moved(path, weight, gradient, ...) gives the new weight; `rates`: none or one model.
template <class M, class R, class B, class Moved, class... Rates>
M step_local(const M& model, const InnerLoop& loop, const Var<R, B>& loss, const Moved& moved, const Rates&... rates) {
  M next = model;
  const auto take = [&](const auto* gradients) {
    for_each_tensor(
        [&](const Path& path, Var<R, B>& w, const auto&... rate) {
          if (loop.local.holds(path)) w = moved(path, w, *gradients++, rate...);
        },
        next, rates...);
  };
  if (loop.order == MetaOrder::exact)
    take(local_gradients<Var<R, B>>(model, loop.local, loss));
  else
    take(local_gradients<Array<R, B>>(model, loop.local, loss));
  return next;
}

}  // namespace detail

// The model after the inner loop; loss(step, model) gives the recorded loss of a step. Tensors that are not local stay
// the same values, so that an outer gradient reaches them directly and through the inner gradients.
template <class M, class Loss>
M adapt(const M& model, const InnerLoop& loop, const Loss& loss) {
  M fast = model;
  for (int step = 0; step < loop.steps; ++step) {
    const M& now = fast;
    fast = detail::step_local(now, loop, loss(step, now),
                              [&](const Path&, const auto& w, const auto& g) { return sub(w, scale(g, loop.rate)); });
  }
  return fast;
}
// The same with a model of rates, recorded (they get gradients) or Arrays (they do not), in place of loop.rate.
template <class M, class Rates, class Loss>
M adapt(const M& model, const Rates& rates, const InnerLoop& loop, const Loss& loss) {
  M fast = model;
  for (int step = 0; step < loop.steps; ++step) {
    const M& now = fast;
    const auto moved = [](const Path& path, const auto& w, const auto& g, const auto& rate) {
      return sub(w, detail::rated_step(path, rate, g));
    };
    fast = detail::step_local(now, loop, loss(step, now), moved, rates);
  }
  return fast;
}

}  // namespace thaw::inline v0
