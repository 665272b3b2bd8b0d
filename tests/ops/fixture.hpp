// What the tests of operations share: an arena, random arrays, closeness, and a handler that turns stops into values.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "thaw/autodiff/check.hpp"
#include "thaw/core/growing_arena.hpp"

namespace thaw_test {

using A = thaw::Array<double>;
using V = thaw::Var<double>;
using thaw::Index;

struct Host {
  thaw::GrowingArena arena;
  thaw::Cpu::Context context{&arena};
  thaw::Philox rng{2024};

  A zeros(const thaw::Shape& shape) {
    A out = A::make(context, shape);
    for (double& v : out) v = 0;
    return out;
  }
  A normal(const thaw::Shape& shape) {
    A out = A::make(context, shape);
    for (double& v : out) v = rng.normal();
    return out;
  }
  A uniform(const thaw::Shape& shape, double low, double high) {
    A out = A::make(context, shape);
    for (double& v : out) v = rng.uniform(low, high);
    return out;
  }
  // Away from zero by at least `gap`, either sign: for functions with a kink or a pole there.
  A away_from_zero(const thaw::Shape& shape, double gap) {
    A out = A::make(context, shape);
    for (double& v : out) v = (rng.next() % 2 == 0 ? 1 : -1) * rng.uniform(gap, 2);
    return out;
  }
  A of(const thaw::Shape& shape, std::initializer_list<double> numbers) {
    A out = A::make(context, shape);
    Index i = 0;
    for (const double v : numbers) out[i++] = v;
    return out;
  }
};

// The largest difference relative to max(1, |expected|); infinite when shapes differ.
inline double difference(const A& got, const A& expected) {
  if (!(got.shape == expected.shape)) return INFINITY;
  double worst = 0;
  for (Index i = 0; i < got.size(); ++i) {
    const double d = std::fabs(got[i] - expected[i]) / std::fmax(1, std::fabs(expected[i]));
    if (!(d <= worst)) worst = d;
  }
  return worst;
}

// First order below 1e-7, second below 1e-5.
inline void hold(const char* what, const thaw::CheckResult& result) {
  thaw::Fault text;
  text.add(what).add(": ").add(result);
  const char* where = text.text;
  INFO(where);
  CHECK(result.comparisons > 0);
  CHECK(result.error_at(1) < 1e-7);
  CHECK(result.error_at(2) < 1e-5);
  if (std::getenv("THAW_TEST_VERBOSE") != nullptr)
    std::fprintf(stderr, "%-28s order 1 %.1e, order 2 %.1e\n", what, result.error_at(1), result.error_at(2));
}

inline bool same_shape(const thaw::Shape& a, const thaw::Shape& b) { return a == b; }

#if THAW_HAS_EXCEPTIONS
// Runs `body` with a handler that throws, and gives back the message, or an empty fault.
template <class Body>
thaw::Fault message_of(Body body) {
  const thaw::FaultHandler before = thaw::set_fault_handler([](const thaw::Fault& fault) { throw fault; });
  thaw::Fault caught;
  try {
    body();
  } catch (const thaw::Fault& fault) {
    caught = fault;
  }
  thaw::set_fault_handler(before);
  return caught;
}
inline bool says(const thaw::Fault& fault, const char* part) { return std::strstr(fault.text, part) != nullptr; }
#endif

}  // namespace thaw_test
