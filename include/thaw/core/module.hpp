// Modules: how the library walks a model, which is a plain struct template over the value that flows through it.
//
//   template <thaw::Value T>
//   struct Tower {
//     thaw::Linear<T> hidden, score;
//     static void each(auto&& visit, auto&... m) { visit("hidden", m.hidden...), visit("score", m.score...); }
//   };
//
// `each` names every member once and takes any number of models in lock-step, so that the plan (Spec), the weights
// (Array), the recorded model (Var) and the gradients are walked together. Members may be values, modules, Several of
// them, or plain settings (copied from the first model to the others).
#pragma once

#include "thaw/core/array.hpp"

namespace thaw::inline v0 {

// A run-time number of modules or values, stored inline.
template <class M, int Max = 16>
struct Several {
  M items[Max] = {};
  int count = 0;

  M& operator[](int i) { return items[i]; }
  const M& operator[](int i) const { return items[i]; }
  void push(const M& module) {
    require(count < Max, "Several: more than ", Max, " modules");
    items[count++] = module;
  }
};

// The dotted name of a tensor inside a model: "blocks.0.users.query.weight".
struct Path {
  static constexpr int kCapacity = 192;
  char text[kCapacity] = {0};
  int size = 0;

  void push(const char* name) {
    if (size > 0) put('.');
    while (*name != '\0') put(*name++);
  }
  void push(int number) {
    if (size > 0) put('.');
    if (number >= 10) put(static_cast<char>('0' + number / 10 % 10));
    put(static_cast<char>('0' + number % 10));
  }
  void describe(Fault& fault) const { fault.add(static_cast<const char*>(text)); }

 private:
  void put(char c) {
    require(size + 1 < kCapacity, "Path: a tensor name is longer than 191 characters");
    text[size++] = c;
    text[size] = '\0';
  }
};

namespace detail {

// Stands in for a Path where nobody reads the names: writing them costs more than what small models do with them.
struct NoPath {
  void push(const char*) {}
  void push(int) {}
  void describe(Fault& fault) const { fault.add("model"); }
};

template <class M>
inline constexpr bool is_several = false;
template <class M, int Max>
inline constexpr bool is_several<Several<M, Max>> = true;

struct NoVisit {
  void operator()(const char*, const auto&, const auto&...) const {}
};
template <class M>
concept Module = requires(M& m, NoVisit v) {
  M::each(v, m);
};

// A model that can be written to takes over counts and settings; one that cannot must have the same count.
template <class First, class To>
void take_setting(const First& first, To& to) {
  if constexpr (!std::is_const_v<To>) to = first;
}
template <class P, class First, class To>
void take_count(const P& path, const First& first, To& to) {
  if constexpr (std::is_const_v<To>)
    require(to.count == first.count, path, ": models of ", first.count, " and ", to.count, " modules walked together");
  else
    to.count = first.count;
}

template <class P, class Fn, class First, class... Rest>
void walk(Fn& fn, const P& path, First& first, Rest&... rest) {
  using F = std::remove_const_t<First>;
  // Not the concept itself: g++ 12 has been seen to take this branch for a model whose satisfaction it had cached.
  if constexpr (is_array<F> || is_recorded<F> || std::is_same_v<F, Spec>) {
    fn(path, first, rest...);
  } else if constexpr (is_several<F>) {
    (take_count(path, first, rest), ...);
    for (int i = 0; i < first.count; ++i) {
      P inner = path;
      inner.push(i);
      walk(fn, inner, first[i], rest[i]...);
    }
  } else if constexpr (Module<F>) {
    F::each(
        [&](const char* name, auto& a, auto&... b) {
          P inner = path;
          inner.push(name);
          walk(fn, inner, a, b...);
        },
        first, rest...);
  } else {
    static_assert(std::is_trivially_copyable_v<F>,
                  "a model member must be a Value, a module with `static void each(auto&& visit, auto&... m)`, "
                  "Several of them, or a trivially copyable setting");
    (take_setting(first, rest), ...);
  }
}

template <class M, class T>
struct Rebind;
template <template <Value> class M, Value From, class T>
struct Rebind<M<From>, T> {
  using Type = M<T>;
};
template <class M, int Max, class T>
struct Rebind<Several<M, Max>, T> {
  using Type = Several<typename Rebind<M, T>::Type, Max>;
};

}  // namespace detail

// The same model over another value type: ModelOf<Tower<Spec>, Array<float>> is Tower<Array<float>>.
template <class M, Value T>
using ModelOf = typename detail::Rebind<M, T>::Type;

// fn(path, tensor of the first model, tensor of the second, ...) for every tensor, in the order of `each`.
template <class Fn, class... M>
void for_each_tensor(Fn&& fn, M&... models) {
  detail::walk(fn, Path{}, models...);
}

// The same without names: fn(tensor of the first model, tensor of the second, ...).
template <class Fn, class... M>
void for_each_unnamed(Fn&& fn, M&... models) {
  const auto without_path = [&](const detail::NoPath&, auto&... tensors) { fn(tensors...); };
  detail::walk(without_path, detail::NoPath{}, models...);
}

template <class M>
int tensor_count(const M& model) {
  int count = 0;
  for_each_unnamed([&](const auto&) { ++count; }, model);
  return count;
}
// Number of trainable numbers.
template <class M>
Index parameter_count(const M& model) {
  Index count = 0;
  for_each_tensor([&](const Path&, const auto& t) { count += t.shape.size(); }, model);
  return count;
}

// A model of T whose tensors are fn(path, tensor), in the order of `each`; settings are copied.
template <class T, class M, class Fn>
ModelOf<M, T> map_model(const M& model, Fn&& fn) {
  ModelOf<M, T> out{};
  for_each_tensor([&](const Path& path, const auto& from, T& to) { to = fn(path, from); }, model, out);
  return out;
}
// The same without names: fn(tensor).
template <class T, class M, class Fn>
ModelOf<M, T> map_unnamed(const M& model, Fn&& fn) {
  ModelOf<M, T> out{};
  for_each_unnamed([&](const auto& from, T& to) { to = fn(from); }, model, out);
  return out;
}

}  // namespace thaw::inline v0
