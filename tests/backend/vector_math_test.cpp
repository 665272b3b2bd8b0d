// Scalar functions against double precision, and vectors against scalars.
#include "thaw/backend/kernels/vector_math.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "thaw/backend/kernels/vector_math_map.hpp"

// Written as a stranger would: after the library's headers, once, for every type and width.
struct Swish {
  template <class V>
  THAW_SCALAR_FUNCTION V value(V x) {
    return x * thaw::Sigmoid::value(x);
  }
};
// Without any of the library's markers.
struct CubeOrTanh {
  template <class V>
  static V value(V x) {
    return thaw::choose(x > V(0), V(x * x * x), thaw::Tanh::value(x));
  }
};
struct Scaled {
  double factor;
  template <class V>
  V value(V x) const {
    return static_cast<V>(factor) * x;
  }
};
struct Product {
  template <class V>
  static V value(V a, V b) {
    return a * b;
  }
  template <class V>
  static V value(V a, V b, V c) {
    return thaw::fused(a, b, c);
  }
};

using namespace thaw;

namespace {

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Isa> sets_of_this_machine() {
  std::vector<Isa> sets{Isa::portable};
  for (Isa isa : {Isa::avx2, Isa::avx512})
    if (detect_isa() >= isa) sets.push_back(isa);
  return sets;
}

// Distance in units of the last place of the float nearest to `exact`; denormals have a fixed unit.
double ulps(float got, double exact) {
  const float nearest = static_cast<float>(exact);
  if (std::isnan(nearest)) return std::isnan(got) ? 0 : 1e9;
  if (std::isinf(nearest) || std::isinf(got)) return got == nearest ? 0 : 1e9;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(static_cast<double>(got) - exact) / std::ldexp(1.0, (std::max)(exponent - 24, -149));
}

// Some floats of every exponent and both signs, zeros, infinities and NaN.
std::vector<float> sweep() {
  std::vector<float> x{0.0f, -0.0f, kInf, -kInf, kNan, -kNan};
  for (std::uint32_t bits = 0; bits < 0x7f800000u; bits += 16411) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    x.push_back(value);
    x.push_back(-value);
  }
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) * 0.0006f);
  return x;
}

template <class F, class Exact>
double worst_ulps(Exact exact, double* where = nullptr) {
  double worst = 0;
  for (float x : sweep()) {
    const double error = ulps(F::value(x), exact(static_cast<double>(x)));
    if (error > worst) {
      worst = error;
      if (where != nullptr) *where = static_cast<double>(x);
    }
  }
  return worst;
}

// Largest error over `scale(x)` times half the unit of 1.
template <class F, class Exact, class Scale>
double worst_relative(Exact exact, Scale scale) {
  double worst = 0;
  for (float x : sweep()) {
    if (std::isnan(x) || std::isinf(x)) continue;
    const double z = static_cast<double>(x);
    const double error = std::fabs(static_cast<double>(F::value(x)) - exact(z));
    worst = (std::max)(worst, error / (scale(z) * 0x1p-24 + 0x1p-149));
  }
  return worst;
}

template <class F>
void check_same_at_every_width(const char* name) {
  CAPTURE(name);
  std::vector<float> x = sweep();
  std::vector<float> scalar(x.size()), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) scalar[i] = F::value(x[i]);
  for (Isa isa : sets_of_this_machine()) {
    map<F>(isa, static_cast<Index>(x.size()), x.data(), y.data());
    std::size_t different = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(scalar[i]) && std::isnan(y[i])) continue;
      if (std::memcmp(&scalar[i], &y[i], sizeof(float)) != 0) ++different;
    }
    CAPTURE(static_cast<int>(isa));
    CHECK(different == 0);
  }
}

}  // namespace

TEST_CASE("float functions are within a few units of the last place over all exponents") {
  CHECK(worst_ulps<Exp>([](double x) { return std::exp(x); }) < 1.5);
  CHECK(worst_ulps<Log>([](double x) { return std::log(x); }) < 1.5);
  CHECK(worst_ulps<Tanh>([](double x) { return std::tanh(x); }) < 2);
  CHECK(worst_ulps<Sigmoid>([](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }) <
        3);
  CHECK(worst_ulps<Erf>([](double x) { return std::erf(x); }) < 2);
  CHECK(worst_ulps<Sqrt>([](double x) { return std::sqrt(x); }) <= 0.5);
  CHECK(worst_ulps<Rsqrt>([](double x) { return 1 / std::sqrt(x); }) < 1);
  CHECK(worst_ulps<Reciprocal>([](double x) { return 1 / x; }) <= 0.5);
  CHECK(worst_ulps<Square>([](double x) { return x * x; }) <= 0.5);
  CHECK(worst_ulps<Abs>([](double x) { return std::fabs(x); }) == 0);
  CHECK(worst_ulps<Relu>([](double x) { return x < 0 ? 0 : x; }) == 0);
  CHECK(worst_ulps<Softplus>([](double x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x))); }) < 3);
}

TEST_CASE("gelu and its derivative are accurate relative to their terms") {
  auto normal_below = [](double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); };
  auto density = [](double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0)); };
  CHECK(worst_relative<Gelu>([&](double x) { return x * normal_below(x); },
                             [](double x) { return (std::min)(std::fabs(x), 40.0) + (x > 0 ? x : 0); }) < 3);
  CHECK(worst_relative<GeluDerivative>([&](double x) { return normal_below(x) + x * density(x); },
                                       [](double) { return 1.0; }) < 6);
  CHECK(Gelu::value(kInf) == kInf);
  CHECK(Gelu::value(-kInf) == 0.0f);
  CHECK(GeluDerivative::value(kInf) == 1.0f);
  CHECK(GeluDerivative::value(-kInf) == 0.0f);
  CHECK(std::isnan(Gelu::value(kNan)));
  CHECK(std::isnan(GeluDerivative::value(kNan)));
}

TEST_CASE("double versions agree with the math library") {
  for (double x : {-30.0, -1.5, -0.1, 0.0, 0.3, 2.0, 25.0}) {
    CHECK(Sigmoid::value(x) == doctest::Approx(1 / (1 + std::exp(-x))).epsilon(1e-14));
    CHECK(Gelu::value(x) == doctest::Approx(x * 0.5 * std::erfc(-x * std::sqrt(0.5))).epsilon(1e-12));
    CHECK(Softplus::value(x) == doctest::Approx(std::log1p(std::exp(x))).epsilon(1e-12));
    const double h = 1e-6;
    CHECK(GeluDerivative::value(x) ==
          doctest::Approx((Gelu::value(x + h) - Gelu::value(x - h)) / (2 * h)).epsilon(1e-6));
  }
}

TEST_CASE("every width gives the same bits") {
  check_same_at_every_width<Exp>("exp");
  check_same_at_every_width<Log>("log");
  check_same_at_every_width<Tanh>("tanh");
  check_same_at_every_width<Sigmoid>("sigmoid");
  check_same_at_every_width<Erf>("erf");
  check_same_at_every_width<Gelu>("gelu");
  check_same_at_every_width<GeluDerivative>("gelu derivative");
  check_same_at_every_width<Sqrt>("sqrt");
  check_same_at_every_width<Rsqrt>("rsqrt");
  check_same_at_every_width<Softplus>("softplus");
  check_same_at_every_width<Relu>("relu");
  check_same_at_every_width<Swish>("a function defined here");
  check_same_at_every_width<CubeOrTanh>("a function without markers");
}

TEST_CASE("map and zip handle every length, in place, with settings, and touch nothing behind") {
  for (Isa isa : sets_of_this_machine())
    for (Index n = 0; n <= 70; ++n) {
      const auto size = static_cast<std::size_t>(n);
      std::vector<float> x(size), z(size), w(size), y(size + 1, 77.0f);
      for (std::size_t i = 0; i < size; ++i) {
        x[i] = 0.25f * static_cast<float>(i) - 4;
        z[i] = 3 - static_cast<float>(i);
        w[i] = 0.5f + static_cast<float>(i);
      }
      bool right = true;
      map<Swish>(isa, n, x.data(), y.data());
      for (std::size_t i = 0; i < size; ++i) right &= y[i] == Swish::value(x[i]);
      zip<Product>(isa, n, x.data(), z.data(), y.data());
      for (std::size_t i = 0; i < size; ++i) right &= y[i] == x[i] * z[i];
      zip<Product>(isa, n, x.data(), z.data(), w.data(), y.data());
      for (std::size_t i = 0; i < size; ++i) right &= y[i] == x[i] * z[i] + w[i];  // exact: small binary fractions
      right &= y[size] == 77.0f;
      std::vector<float> before = x;
      map(isa, n, x.data(), x.data(), Scaled{-2.0});
      for (std::size_t i = 0; i < size; ++i) right &= x[i] == -2 * before[i];
      std::vector<double> d(size, 1.25), e(size);
      map<Exp>(isa, n, d.data(), e.data());
      for (std::size_t i = 0; i < size; ++i) right &= e[i] == std::exp(1.25);
      CAPTURE(n);
      CHECK(right);
    }
}
