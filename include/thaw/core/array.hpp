// Array: a view of numbers in row-major order, and the context that computes with them. Never records.
//
//   thaw::Arena arena(buffer, size);
//   thaw::Cpu::Context context{&arena};
//   auto x = thaw::Array<float>::make(context, {2, 3});   // zero-cost, uninitialised
//
// An Array owns nothing and copies in a few registers; its memory belongs to an arena, to flash, or to the caller.
// Spec, beside it, has only a shape and says how a parameter starts: a model of Specs is the plan of the model.
#pragma once

#include "thaw/core/context.hpp"
#include "thaw/core/shape.hpp"

namespace thaw::inline v0 {

struct Cpu;

template <class Real_, class Backend_ = Cpu>
struct Array {
  using Real = Real_;
  using Backend = Backend_;
  using Context = typename Backend::Context;
  using Plain = Array;

  Real* data = nullptr;
  Context* context = nullptr;
  Shape shape;

  // An uninitialised array in the context's memory.
  static Array make(Context& context, const Shape& shape) {
    return {memory_of(context).template take<Real>(shape.size()), &context, shape};
  }
  // A view of memory that somebody else owns.
  static Array view(Context& context, const Real* data, const Shape& shape) {
    return {const_cast<Real*>(data), &context, shape};
  }
  // Numbers of the host: seen in place by a backend of the host, copied for one that computes elsewhere.
  static Array of_host(Context& context, const Real* data, const Shape& shape) {
    if constexpr (has_own_memory<Context>) {
      const Array out = make(context, shape);
      Backend::upload(context, out.size(), data, out.data);
      return out;
    } else {
      return view(context, data, shape);
    }
  }

  Index size() const { return shape.size(); }
  Real& operator[](Index i) const { return data[i]; }
  Real* begin() const { return data; }
  Real* end() const { return data + size(); }
  // The single number of a scalar or one-element array. Waits for a device.
  Real item() const {
    require(size() == 1, "item: the array has shape ", shape, ", not one element");
    if constexpr (has_own_memory<Context>) {
      Real number;
      Backend::download(*context, 1, data, &number);
      return number;
    } else {
      return data[0];
    }
  }
  const Array& array() const { return *this; }
};

// How a parameter starts.
struct Init {
  enum class Kind : std::uint8_t { constant, uniform, normal };
  Kind kind = Kind::constant;
  double scale = 0;  // the constant, half the width of the uniform, the standard deviation of the normal
};

// The shape of a value and nothing else. `meter`, when set, adds up what a forward pass over Specs would take.
struct Spec {
  Shape shape;
  Init init;
  std::size_t* meter = nullptr;
  bool row_table = false;  // updated by touched rows, not as a whole

  Index size() const { return shape.size(); }
};

template <class T>
inline constexpr bool is_array = false;
template <class R, class B>
inline constexpr bool is_array<Array<R, B>> = true;

// What a model may be made of: Array, Spec, or the recorded Var of autodiff/var.hpp (which specialises is_recorded).
template <class T>
inline constexpr bool is_recorded = false;
template <class T>
inline constexpr bool is_value = is_array<T> || is_recorded<T> || std::is_same_v<T, Spec>;
template <class T>
concept Value = is_value<T>;  // overloads for models say !is_value: g++ 12 loses !Value in deep instantiations

}  // namespace thaw::inline v0
