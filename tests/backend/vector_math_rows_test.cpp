// Row kernels against closed forms and plain double loops, on every instruction set of the machine.
#include "thaw/backend/kernels/vector_math_rows.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace thaw;

namespace {

std::vector<Isa> sets_of_this_machine() {
  std::vector<Isa> sets{Isa::portable};
  for (Isa isa : {Isa::avx2, Isa::avx512})
    if (detect_isa() >= isa) sets.push_back(isa);
  return sets;
}

template <class Real>
std::vector<Real> random_values(Index n, std::uint64_t seed) {
  Philox random(seed);
  std::vector<Real> x(static_cast<std::size_t>(n));
  for (Real& v : x) v = static_cast<Real>(4 * random.uniform() - 2);
  return x;
}

template <class Real>
double largest_difference(const std::vector<Real>& x, const std::vector<double>& y) {
  double worst = x.size() == y.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(x[i]) - y[i]);
    worst = difference > worst || std::isnan(difference) ? difference : worst;
  }
  return worst;
}

const Index kWidths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100};

}  // namespace

TEST_CASE_TEMPLATE("sums match closed forms and stay accurate when long", Real, float, double) {
  for (Isa isa : sets_of_this_machine()) {
    for (Index n : {0, 1, 3, 16, 17, 63, 64, 65, 2047, 2048, 2049, 5000}) {
      std::vector<Real> x(static_cast<std::size_t>(n));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<Real>(i % 16);
      double total = 0, squares = 0;
      for (Real v : x) total += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
      CHECK(static_cast<double>(sum(isa, n, x.data())) == total);
      CHECK(static_cast<double>(sum_of_squares(isa, n, x.data())) == squares);
    }
    // A million times 0.1: adding one after another in single precision is off by 1e-2.
    const std::vector<Real> tenths(1000000, Real(0.1));
    CHECK(static_cast<double>(sum(isa, 1000000, tenths.data())) ==
          doctest::Approx(1e6 * static_cast<double>(Real(0.1))).epsilon(1e-6));
    CHECK(static_cast<double>(dot(isa, 1000000, tenths.data(), tenths.data())) == doctest::Approx(1e4).epsilon(1e-6));
  }
}

TEST_CASE("fill, copy, affine and axpy") {
  for (Isa isa : sets_of_this_machine())
    for (Index n : {0, 1, 15, 16, 33}) {
      std::vector<float> x(static_cast<std::size_t>(n) + 1, 9), y(x), z(x);
      fill(isa, n, 2.0f, x.data());
      affine(isa, n, 3.0f, 1.0f, x.data(), y.data());
      axpy(isa, n, -0.5f, x.data(), y.data());
      copy(n, y.data(), z.data());
      for (Index i = 0; i < n; ++i) CHECK(z[static_cast<std::size_t>(i)] == 6.0f);
      CHECK(x.back() == 9.0f);
      CHECK(y.back() == 9.0f);
      CHECK(z.back() == 9.0f);
    }
}

TEST_CASE("sums over rows and over columns") {
  for (Isa isa : sets_of_this_machine())
    for (Index rows : {1, 2, 5, 300})
      for (Index columns : kWidths) {
        const auto x = random_values<float>(rows * columns, 3);
        std::vector<float> down(static_cast<std::size_t>(columns), 1), across(static_cast<std::size_t>(rows));
        std::vector<double> down_exact(down.size(), 1), across_exact(across.size());
        for (Index r = 0; r < rows; ++r)
          for (Index j = 0; j < columns; ++j) {
            const double v = static_cast<double>(x[static_cast<std::size_t>(r * columns + j)]);
            down_exact[static_cast<std::size_t>(j)] += v;
            across_exact[static_cast<std::size_t>(r)] += v;
          }
        sum_over_rows(isa, rows, columns, x.data(), true, down.data());
        CHECK(largest_difference(down, down_exact) < 1e-4);
        for (double& v : down_exact) v -= 1;
        sum_over_rows(isa, rows, columns, x.data(), false, down.data());
        CHECK(largest_difference(down, down_exact) < 1e-4);
        sum_over_columns(isa, rows, columns, x.data(), across.data());
        CHECK(largest_difference(across, across_exact) < 1e-4);
      }
}

TEST_CASE_TEMPLATE("softmax and its gradient", Real, float, double) {
  const double tolerance = sizeof(Real) == 4 ? 2e-6 : 1e-14;
  for (Isa isa : sets_of_this_machine())
    for (Index columns : kWidths)
      for (int form = 0; form < 3; ++form) {  // no bias, a shared row, a row each
        const Index rows = 3;
        const auto n = static_cast<std::size_t>(rows * columns);
        const auto x = random_values<Real>(rows * columns, 1), g = random_values<Real>(rows * columns, 2);
        auto bias = random_values<Real>(rows * columns, 5);
        if (columns > 2) bias[1] = static_cast<Real>(-std::numeric_limits<double>::infinity());
        const Index stride = form == 2 ? columns : 0;
        std::vector<double> exact(n), gradient(n);
        for (std::size_t r = 0; r < 3; ++r) {
          const std::size_t at = r * static_cast<std::size_t>(columns);
          double total = 0, mean = 0;
          for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j) {
            const double b = form == 0 ? 0 : static_cast<double>(bias[r * static_cast<std::size_t>(stride) + j]);
            total += exact[at + j] = std::exp(static_cast<double>(x[at + j]) + b);
          }
          for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j)
            mean += (exact[at + j] /= total) * static_cast<double>(g[at + j]);
          for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j)
            gradient[at + j] = exact[at + j] * (static_cast<double>(g[at + j]) - mean);
        }
        std::vector<Real> y(n), d(n);
        softmax_rows<Real>(isa, rows, columns, x.data(), form == 0 ? nullptr : bias.data(), stride, y.data());
        softmax_rows_backward(isa, rows, columns, y.data(), g.data(), d.data());
        CHECK(largest_difference(y, exact) < tolerance);
        CHECK(largest_difference(d, gradient) < 2 * tolerance);
        std::vector<Real> in_place = x;
        softmax_rows<Real>(isa, rows, columns, in_place.data(), form == 0 ? nullptr : bias.data(), stride,
                           in_place.data());
        CHECK(in_place == y);
      }
}

TEST_CASE("softmax neither overflows nor hides a NaN, and shifting a row changes nothing") {
  for (Isa isa : sets_of_this_machine()) {
    const float x[] = {1000.0f, 1000.0f, -1000.0f};
    float y[3];
    softmax_rows<float>(isa, 1, 3, x, nullptr, 0, y);
    CHECK(y[0] == 0.5f);
    CHECK(y[1] == 0.5f);
    CHECK(y[2] == 0.0f);
    const float bad[] = {1.0f, std::numeric_limits<float>::quiet_NaN(), 0.0f};
    softmax_rows<float>(isa, 1, 3, bad, nullptr, 0, y);
    for (float v : y) CHECK(std::isnan(v));
  }
}

TEST_CASE_TEMPLATE("layer normalisation and its gradient by finite differences", Real, float, double) {
  for (Isa isa : sets_of_this_machine())
    for (Index columns : {2, 7, 16, 33}) {
      const Index rows = 3;
      const auto n = static_cast<std::size_t>(rows * columns), w = static_cast<std::size_t>(columns);
      const auto x = random_values<Real>(rows * columns, 1), g = random_values<Real>(rows * columns, 2);
      const auto weight = random_values<Real>(columns, 3), shift = random_values<Real>(columns, 4);
      auto forward = [&](const std::vector<double>& in, const std::vector<double>& scale, std::vector<double>& out) {
        for (std::size_t r = 0; r < 3; ++r) {
          double mean = 0, variance = 0;
          for (std::size_t j = 0; j < w; ++j) mean += in[r * w + j] / static_cast<double>(w);
          for (std::size_t j = 0; j < w; ++j)
            variance += (in[r * w + j] - mean) * (in[r * w + j] - mean) / static_cast<double>(w);
          for (std::size_t j = 0; j < w; ++j)
            out[r * w + j] =
                (in[r * w + j] - mean) / std::sqrt(variance + 1e-3) * scale[j] + static_cast<double>(shift[j]);
        }
      };
      std::vector<double> exact_x(x.begin(), x.end()), exact_w(weight.begin(), weight.end()), exact(n), moved(n);
      forward(exact_x, exact_w, exact);
      std::vector<Real> y(n), mean(3), deviation(3), d_x(n), d_weight(w, Real(1)), d_shift(w, Real(1)), again(n);
      layer_norm_rows(isa, rows, columns, Real(1e-3), x.data(), weight.data(), shift.data(), y.data(), mean.data(),
                      deviation.data());
      CHECK(largest_difference(y, exact) < 1e-5);
      layer_norm_rows_backward(isa, rows, columns, Real(1e-3), x.data(), weight.data(), g.data(), mean.data(),
                               deviation.data(), d_x.data(), d_weight.data(), d_shift.data());
      auto slope = [&](std::vector<double>& of, std::size_t i) {
        const double kept = of[i], h = 1e-5;
        double total = 0;
        for (double sign : {1.0, -1.0}) {
          of[i] = kept + sign * h;
          forward(exact_x, exact_w, moved);
          for (std::size_t k = 0; k < n; ++k) total += sign * moved[k] * static_cast<double>(g[k]);
        }
        of[i] = kept;
        return total / (2 * h);
      };
      for (std::size_t i = 0; i < n; ++i)
        CHECK(static_cast<double>(d_x[i]) == doctest::Approx(slope(exact_x, i)).epsilon(1e-3).scale(5));
      for (std::size_t j = 0; j < w; ++j) {
        CHECK(static_cast<double>(d_weight[j]) == doctest::Approx(1 + slope(exact_w, j)).epsilon(1e-4));
        double total = 1;
        for (std::size_t r = 0; r < 3; ++r) total += static_cast<double>(g[r * w + j]);
        CHECK(static_cast<double>(d_shift[j]) == doctest::Approx(total).epsilon(1e-5));
      }
      layer_norm_rows_backward<Real>(isa, rows, columns, Real(1e-3), x.data(), weight.data(), g.data(), nullptr,
                                     nullptr, again.data(), d_weight.data(), d_shift.data());
      CHECK(again == d_x);
    }
}

TEST_CASE("dropout follows the rule element by element, however it is split") {
  const DropoutRule rule = DropoutRule::make(0.3, Key{0x123456789abcdefull}, 7);
  for (Isa isa : sets_of_this_machine())
    for (Index columns : {1, 8, 9, 16, 100, 136, 260}) {
      const Index rows = 21;
      const auto x = random_values<float>(rows * columns, 9);
      std::vector<float> y(x.size()), split(x.size());
      dropout_rows(isa, rule, 0, rows, columns, x.data(), y.data());
      bool right = true;
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < columns; ++j) {
          const auto words = rule.words(static_cast<std::uint64_t>(r), static_cast<std::uint64_t>(j),
                                        static_cast<std::uint64_t>(columns));
          const auto at = static_cast<std::size_t>(r * columns + j);
          const float expected =
              rule.keeps(words, static_cast<std::uint64_t>(j)) ? x[at] * static_cast<float>(rule.scale()) : 0.0f;
          right &= y[at] == expected;
        }
      CHECK(right);
      dropout_rows(isa, rule, 0, 5, columns, x.data(), split.data());
      dropout_rows(isa, rule, 5, rows - 5, columns, x.data() + 5 * columns, split.data() + 5 * columns);
      CHECK(split == y);
    }
  std::vector<float> ones(100000, 1), kept(ones.size());
  dropout_rows(detect_isa(), rule, 0, 1000, 100, ones.data(), kept.data());
  CHECK(static_cast<double>(sum(detect_isa(), 100000, kept.data())) == doctest::Approx(1e5).epsilon(0.01));
}
