// What the checks of a device share: a list of results, inputs from one seed, and a comparison of an operation with
// Cpu in double, to second order.
//
//   device_checks::Report report;
//   device_checks::Side<thaw::HostGrid, float> side{context, report};
//   side.compare("softmax", {{4, 33}}, [](const auto* x) { return thaw::softmax(x[0]); });
//
// The same checks run on the host's loops in every build, and on a GPU where there is one.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "thaw/autodiff/gradient.hpp"
#include "thaw/core/growing_arena.hpp"
#include "thaw/core/random.hpp"

namespace device_checks {

using thaw::Index;
using thaw::Shape;
using Numbers = std::vector<double>;

struct Result {
  std::string name;
  double error = 0, bound = 0;
  bool passed() const { return error <= bound; }  // not a number never passes
};

struct Report {
  std::vector<Result> results;
  bool aloud = false;  // one line for each check as it ends
  std::string prefix;  // of names

  void add(const std::string& name, double error, double bound) {
    results.push_back({prefix + name, error, bound});
    if (aloud || !results.back().passed()) print(results.back());
  }
  int failed() const {
    int count = 0;
    for (const Result& r : results) count += r.passed() ? 0 : 1;
    return count;
  }
  static void print(const Result& r) {
    std::printf("%-7s %-52s error %9.2e  bound %7.0e\n", r.passed() ? "passed" : "FAILED", r.name.c_str(), r.error,
                r.bound);
    std::fflush(stdout);
  }
};

inline double largest(const Numbers& numbers) {
  double most = 0;
  for (const double x : numbers) most = std::fmax(most, std::fabs(x));
  return most;
}
// The largest difference relative to the largest number expected, or to `least` where that is larger; infinite where
// sizes differ or something is NaN.
inline double error_of(const Numbers& got, const Numbers& expected, double least = 0) {
  if (got.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::fabs(got[i] - expected[i]);
    if (std::isnan(d)) return INFINITY;
    worst = std::fmax(worst, d);
  }
  const double most = std::fmax(least, largest(expected));
  return most > 0 ? worst / most : worst;
}

// What an input is drawn from: standard normals, or uniform numbers in a range where a function needs one.
struct Input {
  Shape shape;
  double low = 0, high = 0;
  Input(std::initializer_list<Index> dims) : shape(dims) {}
  Input(const Shape& s, double l, double h) : shape(s), low(l), high(h) {}
};

template <class R>
Numbers draw(const Input& input, std::uint64_t stream) {
  thaw::Philox rng(2024, stream);
  Numbers out(static_cast<std::size_t>(input.shape.size()));
  for (double& x : out)
    x = static_cast<double>(static_cast<R>(input.low < input.high ? rng.uniform(input.low, input.high) : rng.normal()));
  return out;
}

// One backend and number type: how its arrays come from numbers of the host, and go back.
template <class B, class R>
struct Arrays {
  using A = thaw::Array<R, B>;
  typename B::Context& context;

  A make(const Shape& shape, const Numbers& numbers) const {
    auto* held = context.arena->template take<R>(shape.size());
    for (Index i = 0; i < shape.size(); ++i) held[i] = static_cast<R>(numbers[static_cast<std::size_t>(i)]);
    return A::of_host(context, held, shape);
  }
  Numbers read(const A& array) const {
    std::vector<R> held(static_cast<std::size_t>(array.size()));
    if constexpr (thaw::has_own_memory<typename B::Context>)
      B::download(context, array.size(), array.data, held.data());
    else
      for (std::size_t i = 0; i < held.size(); ++i) held[i] = array.data[i];
    return Numbers(held.begin(), held.end());
  }
};

// The value of f, its gradients as arrays and as recorded values, and its second-order gradients.
template <class B, class R, class F>
std::vector<Numbers> derivatives(typename B::Context& context, const std::vector<Input>& inputs, const F& f,
                                 int order) {
  const Arrays<B, R> arrays{context};
  thaw::ContextScope<typename B::Context> memory(context);
  thaw::Tape<R, B> tape(context);
  std::vector<thaw::Var<R, B>> x;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    x.push_back(tape.leaf(arrays.make(inputs[i].shape, draw<float>(inputs[i], i))));
  std::vector<Numbers> out;
  const auto y = f(x.data());
  out.push_back(arrays.read(y.array()));
  const auto weigh = [&](const auto& value, std::uint64_t stream) {
    return thaw::sum(thaw::mul(value, arrays.make(value.shape, draw<float>(Input(value.shape, -1, 1), stream))));
  };
  const auto first = weigh(y, 100);
  // One sweep for all inputs: with one each, the graph of the second order would grow by their number.
  const int count = static_cast<int>(x.size());
  std::vector<thaw::Array<R, B>> plain(x.size());
  const auto gradients_of = [&](const thaw::Var<R, B>& loss) {
    thaw::pull_back<thaw::Array<R, B>, R, B>(loss, thaw::detail::one_for(loss), {x.data(), count, plain.data()});
    for (const auto& g : plain) out.push_back(arrays.read(g));
  };
  gradients_of(first);
  if (order < 2) return out;
  std::vector<thaw::Var<R, B>> recorded(x.size());
  thaw::pull_back<thaw::Var<R, B>, R, B>(first, tape.constant(thaw::detail::one_for(first)),
                                         {x.data(), count, recorded.data()});
  thaw::Var<R, B> second;
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.push_back(arrays.read(recorded[i].array()));
    const auto part = weigh(recorded[i], 200 + i);
    second = i == 0 ? part : thaw::add(second, part);
  }
  gradients_of(second);
  return out;
}

template <class B, class R>
struct Side {
  typename B::Context& context;
  Report& report;

  static constexpr double bound() { return sizeof(R) == 4 ? 1e-5 : 1e-11; }
  static const char* type() { return sizeof(R) == 4 ? " float" : " double"; }

  // Everything that f and its gradients give, beside Cpu in double.
  template <class F>
  void compare(const std::string& name, const std::vector<Input>& inputs, const F& f, int order = 2, double share = 1) {
    thaw::GrowingArena arena;
    thaw::Cpu::Context host{&arena};
    const auto expected = derivatives<thaw::Cpu, double>(host, inputs, f, order);
    const auto got = derivatives<B, R>(context, inputs, f, order);
    double worst = got.size() == expected.size() ? 0 : INFINITY;
    // Gradients that are zero but for rounding, like that of the bias of keys, have no size of their own.
    double size = 0;
    for (const Numbers& numbers : expected) size = std::fmax(size, largest(numbers));
    for (std::size_t i = 0; i < expected.size() && i < got.size(); ++i)
      worst = std::fmax(worst, error_of(got[i], expected[i], 1e-3 * size));
    report.add(name + type(), worst, share * bound());
  }
};

}  // namespace device_checks
