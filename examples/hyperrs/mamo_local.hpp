// The local steps of MAMO: a user's own weights, moved on her support in place or as a recorded expression.
//
//   auto fast = hyperrs::own_copy(start);                                  // plain arrays, nobody else's
//   hyperrs::move_locally(tape, fast, profile, items, classes, steps);     // in place
//   auto local = hyperrs::recorded_steps(start, profile, items, classes, steps);   // exact second order
#pragma once

#include "hyperrs/mamo_network.hpp"
#include "thaw/meta/unroll.hpp"

namespace hyperrs {

enum class LocalRule : std::uint8_t { adam, sgd };

struct MamoSteps {
  LocalRule rule = LocalRule::adam;
  double rate = 0.01;
  double clip = 5;  // of the norm of a step's gradient; 0: none
  Index batch = 5;  // records of a step; 0: all
  int passes = 3;   // over the support
};

// A copy of every tensor, in the context's arena.
template <class A>
MamoLocal<A> own_copy(typename A::Context& context, const auto& local) {
  return thaw::map_unnamed<A>(local, [&](const auto& from) {
    const A to = A::make(context, from.shape);
    A::Backend::copy(context, from.size(), from.data, to.data);
    return to;
  });
}

namespace detail {

template <class A>
void clip_model(const MamoLocal<A>& gradient, double most) {
  using R = typename A::Real;
  double squares = 0;
  thaw::for_each_unnamed([&](const A& g) { squares += A::Backend::sum_of_squares(*g.context, g.size(), g.data); },
                         gradient);
  const double norm = __builtin_sqrt(squares);
  if (norm <= most) return;
  const R factor = static_cast<R>(most / norm);
  thaw::for_each_unnamed(
      [&](const A& g) { A::Backend::affine_map(*g.context, g.size(), factor, R(0), g.data, g.data); }, gradient);
}

}  // namespace detail

// Steps on slices of the support, in its order. profile (1, .), items (n, .) are plain features, classes (n). Adam
// starts afresh for each user. The tape's arena is used and given back.
template <class R, class B>
void move_locally(thaw::Tape<R, B>& tape, const MamoLocal<thaw::Array<R, B>>& fast, const thaw::Array<R, B>& profile,
                  const thaw::Array<R, B>& items, const std::int32_t* classes, const MamoSteps& steps) {
  using A = thaw::Array<R, B>;
  using V = thaw::Var<R, B>;
  const Index records = items.shape[0];
  if (records == 0 || steps.passes == 0) return;
  auto& context = tape.context();
  thaw::Scope whole(tape);
  const auto zeros = [&](const A& like) {
    const A state = A::make(context, like.shape);
    B::fill(context, state.size(), R(0), state.data);
    return state;
  };
  MamoLocal<A> first, second;
  if (steps.rule == LocalRule::adam) {
    first = thaw::map_unnamed<A>(fast, zeros);
    second = thaw::map_unnamed<A>(fast, zeros);
  }
  const Index batch = steps.batch > 0 ? steps.batch : records;
  std::int64_t clock = 0;
  for (int pass = 0; pass < steps.passes; ++pass)
    for (Index at = 0; at < records; at += batch) {
      thaw::Scope step(tape);
      const Index size = batch < records - at ? batch : records - at;
      const A part = A::view(context, items.data + at * items.shape[1], {size, items.shape[1]});
      const auto local = thaw::map_unnamed<V>(fast, [&](const A& a) { return tape.leaf(a); });
      const V loss = thaw::cross_entropy(local(tape.constant(profile), tape.constant(part)), classes + at);
      const auto gradient = thaw::gradient(loss, local);
      if (steps.clip > 0) detail::clip_model(gradient, steps.clip);
      const auto rule = thaw::AdamStep::at(++clock, steps.rate, 0.9, 0.999, 1e-8, 0);
      if (steps.rule == LocalRule::adam)
        thaw::for_each_unnamed([&](const A& w, const A& g, const A& m,
                                   const A& v) { B::adam(context, w.size(), rule, g.data, m.data, v.data, w.data); },
                               fast, gradient, first, second);
      else
        thaw::for_each_unnamed(
            [&](const A& w, const A& g) {
              B::add_scaled(context, w.size(), R(1), w.data, static_cast<R>(-steps.rate), g.data, w.data);
            },
            fast, gradient);
    }
}

// Plain gradient steps on the whole support, recorded, so that the query loss differentiates through them.
template <class R, class B>
MamoLocal<thaw::Var<R, B>> recorded_steps(const MamoLocal<thaw::Var<R, B>>& start, const thaw::Var<R, B>& profile,
                                          const thaw::Var<R, B>& items, const std::int32_t* classes,
                                          const MamoSteps& steps) {
  if (items.shape[0] == 0) return start;
  return thaw::unroll(start, steps.passes, steps.rate,
                      [&](int, const auto& local) { return thaw::cross_entropy(local(profile, items), classes); });
}

// start + (fast - start), the difference held constant: first order in whatever way `fast` was found.
template <class R, class B>
MamoLocal<thaw::Var<R, B>> moved_to(const MamoLocal<thaw::Var<R, B>>& start, const MamoLocal<thaw::Array<R, B>>& fast) {
  MamoLocal<thaw::Var<R, B>> out = start;
  thaw::for_each_unnamed(
      [](thaw::Var<R, B>& to, const thaw::Array<R, B>& end) { to = thaw::add(to, thaw::sub(end, to.array())); }, out,
      fast);
  return out;
}

}  // namespace hyperrs
