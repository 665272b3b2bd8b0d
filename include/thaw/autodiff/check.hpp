// check_gradient: holds the gradient rules of a function against central differences, to any order. For tests; host
// only.
//
//   const thaw::CheckResult r = thaw::check_gradient(
//       [](const auto& a, const auto& b) { return thaw::matmul(a, b); }, {a, b});
//   CHECK(r.error_at(1) < 1e-7);
//   CHECK(r.error_at(2) < 1e-5);
//
// Every non-empty subset of the arguments is recorded in turn while the others stay Arrays, so that a rule is tried
// with each mix of constant and differentiable inputs. Not a proof: what is checked are random projections.
#pragma once

#include <cmath>
#include <utility>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/core/random.hpp"

namespace thaw::inline v0 {

struct CheckOptions {
  int order = 2;            // derivatives up to this order, at most 3
  int projections = 2;      // random projections of each mix
  double step = 1e-3;       // of the four-point difference, relative to a direction of standard normals
  double smallest = 1e-2;   // errors are relative to the derivative, but never to less than this
  std::uint64_t seed = 17;  // of the projections
};

// The largest relative error and who had it.
struct CheckResult {
  static constexpr int kMaxOrder = 3;
  double error = 0;
  unsigned subset = 0;  // bit i: argument i was recorded, the others were Arrays
  int argument = -1;    // differentiated with respect to this one
  int order = 0;
  int comparisons = 0;
  double by_order[kMaxOrder] = {};

  double error_at(int wanted) const { return by_order[wanted - 1]; }
  void describe(Fault& fault) const {
    fault.add("largest at order ").add(order).add(", argument ").add(argument).add(", recorded subset ").add(subset);
  }
};

namespace detail {

// P_0 = <y, f(x)>;  P_k = sum over the arguments i of `inner` of <z_ki, dP_(k-1) / dx_i>.
// Order k checks dP_(k-1)/dx_j along a random direction.
template <class F, class B, std::size_t N>
class GradientCheck {
 public:
  using A = Array<double, B>;
  using V = Var<double, B>;
  static_assert(N >= 1 && N <= 5, "check_gradient: one to five arguments");

  GradientCheck(const F& f, const A* inputs, const CheckOptions& options)
      : f_(f), inputs_(inputs), options_(options), tape_(*inputs[0].context) {}

  CheckResult run() {
    [&]<std::size_t... S>(std::index_sequence<S...>) { (check_subset<static_cast<unsigned>(S) + 1>(), ...); }
    (std::make_index_sequence<(std::size_t(1) << N) - 1>{});
    return result_;
  }

 private:
  template <unsigned Mask, std::size_t I>
  static decltype(auto) argument(const V* leaves, const A* x) {
    if constexpr ((Mask >> I & 1u) != 0)
      return (leaves[I]);
    else
      return (x[I]);
  }
  template <unsigned Mask>
  V call(const V* leaves, const A* x) const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return f_(argument<Mask, I>(leaves, x)...); }
    (std::make_index_sequence<N>{});
  }

  template <unsigned Mask>
  void check_subset() {
    for (int p = 0; p < options_.projections; ++p) {
      key_ = Key{options_.seed}.fold(Mask).fold(static_cast<std::uint64_t>(p));
      for (int order = 1; order <= options_.order; ++order)
        for (unsigned inner = 1; inner <= Mask; ++inner) {
          if ((inner & ~Mask) != 0 || (order == 1 && inner != Mask)) continue;
          for (int j = 0; j < static_cast<int>(N); ++j)
            if ((Mask >> j & 1u) != 0) check_argument<Mask>(order, inner, j);
        }
    }
  }

  template <unsigned Mask>
  void check_argument(int order, unsigned inner, int j) {
    Scope<double, B> scope(tape_);
    const A direction = random(inputs_[j].shape, 1000 + static_cast<std::uint64_t>(j));
    double exact = 0;
    {
      Scope<double, B> inside(tape_);
      V leaves[N];
      const V value = project<Mask>(inputs_, leaves, order - 1, inner);
      const A g = gradient(value, leaves[j]);
      for (Index i = 0; i < g.size(); ++i) exact += g[i] * direction[i];
      compare_recorded(value, leaves[j], g, Mask, order, j);
    }
    const auto at = [&](double offset) {
      Scope<double, B> inside(tape_);
      A x[N];
      for (std::size_t i = 0; i < N; ++i) x[i] = inputs_[i];
      x[j] = A::make(tape_.context(), inputs_[j].shape);
      for (Index i = 0; i < x[j].size(); ++i) x[j][i] = inputs_[j][i] + offset * direction[i];
      V leaves[N];
      return project<Mask>(x, leaves, order - 1, inner).item();
    };
    const double h = options_.step;
    const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    note(exact, numeric, Mask, order, j);
  }

  // The gradient as a recorded value must have the numbers of the plain one (rules may take another path).
  void compare_recorded(const V& value, const V& leaf, const A& plain, unsigned mask, int order, int j) {
    const V recorded = gradient(value, leaf, differentiable);
    for (Index i = 0; i < plain.size(); ++i) note(recorded[i], plain[i], mask, order, j);
  }

  template <unsigned Mask>
  V project(const A* x, V* leaves, int level, unsigned inner) {
    for (std::size_t i = 0; i < N; ++i)
      if ((Mask >> i & 1u) != 0) leaves[i] = tape_.leaf(x[i]);
    const V value = call<Mask>(leaves, x);
    V sum_of = sum(mul(value, random(value.shape, 0)));
    for (int l = 1; l <= level; ++l) {
      V total;
      bool first = true;
      for (std::size_t i = 0; i < N; ++i) {
        if ((inner >> i & 1u) == 0) continue;
        const V g = gradient(sum_of, leaves[i], differentiable);
        const V part = sum(mul(g, random(g.shape, static_cast<std::uint64_t>(l) * 10 + i)));
        total = first ? part : add(total, part);
        first = false;
      }
      sum_of = total;
    }
    return sum_of;
  }

  A random(const Shape& shape, std::uint64_t stream) {
    A out = A::make(tape_.context(), shape);
    Philox rng(key_.fold(stream));
    for (double& v : out) v = rng.normal();
    return out;
  }

  void note(double exact, double numeric, unsigned mask, int order, int j) {
    const double scale = (std::fmax)(options_.smallest, (std::fmax)(std::fabs(exact), std::fabs(numeric)));
    double error = std::fabs(exact - numeric) / scale;
    if (!(error < 1e300)) error = 1e300;  // not a number
    ++result_.comparisons;
    if (error > result_.by_order[order - 1]) result_.by_order[order - 1] = error;
    if (error <= result_.error) return;
    result_.error = error;
    result_.subset = mask;
    result_.argument = j;
    result_.order = order;
  }

  const F& f_;
  const A* inputs_;
  CheckOptions options_;
  Tape<double, B> tape_;
  Key key_;
  CheckResult result_;
};

}  // namespace detail

// f takes N values, each an Array or a Var, and returns a value of any shape. Memory comes from the arena of the first
// input's context and is given back. Errors: as the operations inside f.
template <class F, class B, std::size_t N>
CheckResult check_gradient(const F& f, const Array<double, B> (&inputs)[N], const CheckOptions& options = {}) {
  require(options.order >= 1 && options.order <= CheckResult::kMaxOrder, "check_gradient: order ", options.order,
          " is outside 1 .. 3");
  return detail::GradientCheck<F, B, N>(f, inputs, options).run();
}

}  // namespace thaw::inline v0
