// apply: the one seam between an operation and the value that flows through it.
//
// An operation is a stateless struct:
//
//   struct Mul {
//     static constexpr const char* name = "mul";
//     struct Attr {};                                                  // settings; trivially destructible
//     template <class T> static Shape shape(const Attr&, const T* in, int n);            // checks its inputs
//     template <class A> static A forward(Attr&, const A* in, int n, bool record);       // over plain Arrays
//     template <class T> static void vjp(const Attr&, const T& g, const T& out, const T* in, int n, Adjoints<T>& d);
//   };
//
// `vjp` is written once over any value type with the library's own operations. Called with Array it gives a gradient;
// called with Var it gives a gradient that can be differentiated again. Engine<T> says how a value type applies one;
// the Engine of recorded values is in autodiff/.
#pragma once

#include "thaw/backend/cpu.hpp"

namespace thaw::inline v0 {

// Where a vjp leaves the gradient of each input; inputs nobody asked for are skipped.
template <class T>
class Adjoints {
 public:
  Adjoints(T* values, const bool* wanted, bool* given) : values_(values), wanted_(wanted), given_(given) {}
  bool wants(int input) const { return wanted_[input]; }
  void give(int input, const T& value) {
    values_[input] = value;
    given_[input] = true;
  }

 private:
  T* values_;
  const bool* wanted_;
  bool* given_;
};

template <class T>
struct Engine;

template <class R, class B>
struct Engine<Array<R, B>> {
  template <class Op>
  static Array<R, B> apply(typename Op::Attr attr, const Array<R, B>* in, int n) {
    return Op::forward(attr, in, n, false);
  }
};

template <>
struct Engine<Spec> {
  template <class Op>
  static Spec apply(const typename Op::Attr& attr, const Spec* in, int n) {
    Spec out{Op::shape(attr, in, n), {}, nullptr};
    for (int i = 0; i < n && out.meter == nullptr; ++i) out.meter = in[i].meter;
    if (out.meter != nullptr) *out.meter += static_cast<std::size_t>(out.size()) * sizeof(double) + kAlignment;
    return out;
  }
};

template <class Op, Value T, std::size_t N>
THAW_ALWAYS_INLINE T apply(const typename Op::Attr& attr, const T (&in)[N]) {
  return Engine<T>::template apply<Op>(attr, in, static_cast<int>(N));
}
template <class Op, Value T>
THAW_ALWAYS_INLINE T apply(const typename Op::Attr& attr, const T* in, int n) {
  return Engine<T>::template apply<Op>(attr, in, n);
}

// For the forward of an operation: the context to compute with, from the first input that has one.
template <class A>
typename A::Context& context_of(const A* in, int n, const char* name) {
  for (int i = 0; i < n; ++i)
    if (in[i].context != nullptr) return *in[i].context;
  stop(make_fault(FaultKind::mismatch, name, ": no input has a context to compute with"));
}

// A value of the same kind as `like` that holds a constant array, so that arrays and recorded values can meet.
template <class R, class B>
Array<R, B> lift(const Array<R, B>& value, const Array<R, B>&) {
  return value;
}
inline Spec lift(const Spec& value, const Spec&) { return value; }

// The type that two operands meet in: the recorded one if either is.
template <class A, class B>
struct MeetImpl {
  static_assert(
      std::is_same_v<A, B> || is_recorded<A> || is_recorded<B>,
      "operands live on different backends or have different number types; move one with thaw::to<Backend>(x)");
  using Type = std::conditional_t<is_recorded<A>, A, B>;
};
template <class A, class B>
using Meet = typename MeetImpl<A, B>::Type;

template <class T, class X>
THAW_ALWAYS_INLINE T lift_to(const X& x, const T& like) {
  static_assert(std::is_same_v<T, X> || !is_recorded<X>,
                "lifting a recorded value to an Array would lose its gradient");
  if constexpr (std::is_same_v<T, X>)
    return x;
  else
    return lift(x, like);
}
namespace detail {
template <class T, class First, class... Rest>
const T& first_of(const First& first, const Rest&... rest) {
  if constexpr (std::is_same_v<T, First>)
    return first;
  else
    return first_of<T>(rest...);
}
}  // namespace detail
// apply for two operands of any mix of constant and recorded.
template <class Op, Value A, Value B>
THAW_ALWAYS_INLINE Meet<A, B> apply_pair(const typename Op::Attr& attr, const A& a, const B& b) {
  using T = Meet<A, B>;
  if constexpr (std::is_same_v<A, T>)
    return apply<Op, T>(attr, {a, lift_to<T>(b, a)});
  else
    return apply<Op, T>(attr, {lift_to<T>(a, b), b});
}
// The same for three operands.
template <class Op, Value A, Value B, Value C>
THAW_ALWAYS_INLINE Meet<A, Meet<B, C>> apply_triple(const typename Op::Attr& attr, const A& a, const B& b, const C& c) {
  using T = Meet<A, Meet<B, C>>;
  const T& like = detail::first_of<T>(a, b, c);
  return apply<Op, T>(attr, {lift_to<T>(a, like), lift_to<T>(b, like), lift_to<T>(c, like)});
}

}  // namespace thaw::inline v0
