// Gradient clipping, in place, on the list that an optimiser takes.
//
//   auto gradients = parameters.gradient(loss);
//   double norm = thaw::clip_norm(gradients, 1.0);      // rescales everything when the norm is above 1
//   thaw::clip_value(gradients, 1.0);                   // every element into [-1, 1]
//
// The rows of a row table count as they are, before rows of the same id are added up.
#pragma once

#include "thaw/optim/parameters.hpp"

namespace thaw::inline v0 {

namespace detail {

template <class R, class B, class Fn>
void for_each_gradient(const GradientList<R, B>& list, Fn&& fn) {
  for (int i = 0; i < list.count; ++i) {
    if (list.dense[i].data != nullptr) fn(list.dense[i]);
    for (const RowGradient<R, B>* row = list.rows[i]; row != nullptr; row = row->next) fn(row->rows);
  }
}

// The same without arrays that came before: the rules of add or reshape hand one array to several variables, and what
// changes gradients in place must change it once.
template <class R, class B, class Fn>
void for_each_gradient_once(const GradientList<R, B>& list, Fn&& fn) {
  Index count = 0;
  for_each_gradient(list, [&](const Array<R, B>& g) {
    Index before = 0;
    bool seen = false;
    for_each_gradient(list,
                      [&](const Array<R, B>& other) { seen = seen || (before++ < count && other.data == g.data); });
    ++count;
    if (!seen) fn(g);
  });
}

// The arrays of a list for a device, which takes all of them in one launch; in the arena of their context.
template <class R, class B>
struct GradientArrays {
  TensorStep<R>* tensors = nullptr;
  int count = 0;
};
template <class R, class B>
typename B::Context* context_of(const GradientList<R, B>& list) {
  typename B::Context* context = nullptr;
  for_each_gradient(list, [&](const Array<R, B>& g) { context = g.context; });
  return context;
}
template <class R, class B>
GradientArrays<R, B> arrays_of(const GradientList<R, B>& list, Arena& arena, bool once) {
  GradientArrays<R, B> out;
  for_each_gradient(list, [&](const Array<R, B>&) { ++out.count; });
  out.tensors = arena.template take<TensorStep<R>>(out.count);
  out.count = 0;
  const auto add = [&](const Array<R, B>& g) {
    out.tensors[out.count++] = {g.data, nullptr, nullptr, g.data, g.size()};
  };
  if (once)
    for_each_gradient_once(list, add);
  else
    for_each_gradient(list, add);
  return out;
}

}  // namespace detail

// The Euclidean norm of all gradients together.
template <class R, class B>
double gradient_norm(const GradientList<R, B>& list) {
  double squares = 0;
  if constexpr (has_own_memory<typename B::Context>) {
    typename B::Context* const context = detail::context_of(list);
    if (context == nullptr) return 0;
    ContextScope scope(*context);
    const auto arrays = detail::arrays_of(list, *context->arena, false);
    squares = B::sum_of_squares_all(*context, arrays.tensors, arrays.count);
  } else {
    detail::for_each_gradient(
        list, [&](const Array<R, B>& g) { squares += B::sum_of_squares(*g.context, g.size(), g.data); });
  }
  return __builtin_sqrt(squares);
}

// Scales all gradients so that their norm is at most `most`; returns the norm before.
template <class R, class B>
double clip_norm(const GradientList<R, B>& list, double most) {
  const double norm = gradient_norm(list);
  if (norm > most) {
    const R factor = static_cast<R>(most / norm);
    if constexpr (has_own_memory<typename B::Context>) {
      typename B::Context& context = *detail::context_of(list);
      ContextScope scope(context);
      const auto arrays = detail::arrays_of(list, *context.arena, true);
      B::scale_all(context, factor, arrays.tensors, arrays.count);
      return norm;
    }
    detail::for_each_gradient_once(
        list, [&](const Array<R, B>& g) { B::affine_map(*g.context, g.size(), factor, R(0), g.data, g.data); });
  }
  return norm;
}

// Moves every element into [-most, most].
template <class R, class B>
void clip_value(const GradientList<R, B>& list, double most) {
  const R limit = static_cast<R>(most);
  detail::for_each_gradient_once(list,
                                 [&](const Array<R, B>& g) { B::clamp(*g.context, g.size(), limit, g.data, g.data); });
}

}  // namespace thaw::inline v0
