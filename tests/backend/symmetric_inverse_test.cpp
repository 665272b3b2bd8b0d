#include "thaw/backend/symmetric_inverse.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "thaw/core/random.hpp"

namespace {

// M M^T / n + shift I with M (n, n) uniform: eigenvalues from about `shift` to about 1.3 + shift, and no structure.
template <class Real>
std::vector<Real> positive_matrix(thaw::Index n, double shift) {
  thaw::Philox rng(7, static_cast<std::uint64_t>(n));
  std::vector<double> m(static_cast<std::size_t>(n * n));
  for (double& x : m) x = rng.uniform(-1, 1);
  std::vector<Real> a(m.size());
  for (thaw::Index i = 0; i < n; ++i)
    for (thaw::Index j = 0; j <= i; ++j) {
      double sum = 0;
      for (thaw::Index k = 0; k < n; ++k)
        sum += m[static_cast<std::size_t>(i * n + k)] * m[static_cast<std::size_t>(j * n + k)];
      sum = sum / static_cast<double>(n) + (i == j ? shift : 0);
      a[static_cast<std::size_t>(i * n + j)] = a[static_cast<std::size_t>(j * n + i)] = static_cast<Real>(sum);
    }
  return a;
}

// The largest element of |A B - I|, in double.
template <class Real>
double distance_from_identity(thaw::Index n, const std::vector<Real>& a, const std::vector<Real>& b) {
  double worst = 0;
  std::vector<double> row(static_cast<std::size_t>(n));
  for (thaw::Index i = 0; i < n; ++i) {
    for (double& x : row) x = 0;
    for (thaw::Index k = 0; k < n; ++k) {
      const auto factor = static_cast<double>(a[static_cast<std::size_t>(i * n + k)]);
      const Real* from = b.data() + k * n;
      for (thaw::Index j = 0; j < n; ++j) row[static_cast<std::size_t>(j)] += factor * static_cast<double>(from[j]);
    }
    for (thaw::Index j = 0; j < n; ++j)
      worst = std::fmax(worst, std::fabs(row[static_cast<std::size_t>(j)] - (i == j ? 1 : 0)));
  }
  return worst;
}

template <class Real>
bool invert(thaw::Isa isa, thaw::Index n, std::vector<Real>& a, int threads = 1) {
  std::vector<Real> scratch(static_cast<std::size_t>(thaw::invert_positive_definite_scratch<Real>(n, threads)));
  return thaw::invert_positive_definite(isa, n, a.data(), scratch.data(), threads);
}

TEST_CASE("invert_positive_definite: two by two by hand") {
  std::vector<double> a{4, 99, 2, 3};  // the upper triangle is not read
  CHECK(invert(thaw::detect_isa(), 2, a));
  const std::vector<double> expected{0.375, -0.25, -0.25, 0.5};
  for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == doctest::Approx(expected[i]));
}

TEST_CASE("invert_positive_definite: A times its inverse is the identity, at every level of blocks") {
  for (const thaw::Index n : {1, 31, 32, 33, 100, 256, 257, 512, 513, 600}) {
    CAPTURE(n);
    const auto precise = positive_matrix<double>(n, 0.5);
    auto inverse = precise;
    CHECK(invert(thaw::detect_isa(), n, inverse));
    CHECK(distance_from_identity(n, precise, inverse) < 1e-12);
    const auto single = positive_matrix<float>(n, 0.5);
    auto single_inverse = single;
    CHECK(invert(thaw::detect_isa(), n, single_inverse));
    CHECK(distance_from_identity(n, single, single_inverse) < 1e-5);
  }
}

TEST_CASE("invert_positive_definite: symmetric to the bit, the same on two threads, close on another instruction set") {
  const thaw::Index n = 700;
  const auto a = positive_matrix<float>(n, 1);
  auto one = a, two = a, portable = a;
  CHECK(invert(thaw::detect_isa(), n, one, 1));
  CHECK(invert(thaw::detect_isa(), n, two, 2));
  CHECK(invert(thaw::Isa::portable, n, portable, 1));
  CHECK(one == two);
  double worst = 0;
  bool symmetric = true;
  for (thaw::Index i = 0; i < n; ++i)
    for (thaw::Index j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(i * n + j);
      symmetric = symmetric && one[at] == one[static_cast<std::size_t>(j * n + i)];
      worst = std::fmax(worst, std::fabs(static_cast<double>(one[at]) - static_cast<double>(portable[at])));
    }
  CHECK(symmetric);
  CHECK(worst < 1e-5);
}

TEST_CASE("invert_positive_definite: refuses what has no positive pivot") {
  for (const thaw::Index n : {2, 40, 600}) {
    CAPTURE(n);
    auto a = positive_matrix<float>(n, 0.5);
    a[static_cast<std::size_t>(n * n - 1)] = -1;  // the last diagonal element
    CHECK(!invert(thaw::detect_isa(), n, a));
    auto b = positive_matrix<float>(n, 0.5);
    b[0] = std::nanf("");
    CHECK(!invert(thaw::detect_isa(), n, b));
  }
}

}  // namespace
